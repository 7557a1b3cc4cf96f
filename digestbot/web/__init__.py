"""The operator pages: server-rendered HTML over the same functions that the commands use."""
