"""The platforms that posts are published on, one folder each; `registry` lists them."""
