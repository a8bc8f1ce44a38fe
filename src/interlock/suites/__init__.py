"""The project's own tests: run in its runtimes, kept as long as what they read stays the same."""
