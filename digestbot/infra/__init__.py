"""Infrastructure that knows nothing of digests: HTTP connections, configuration values, notifications, log context."""
