"""Scripts that run inside the project's runtimes: standard library and the engine only, Python 3.8 and newer."""
