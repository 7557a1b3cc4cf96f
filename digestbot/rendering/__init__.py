"""The rendering of summaries into posts: Jinja templates, threads, pictures and previews."""
