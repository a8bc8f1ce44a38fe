"""One folder an engine, the same file names in each. See ``base`` for the few verbs."""
