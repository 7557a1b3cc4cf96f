"""digestbot: digests of research-paper summaries, published to X and Facebook, never twice and never lost."""

__version__ = "0.1.0"
