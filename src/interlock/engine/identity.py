"""Who acts."""

import getpass
import os


def who() -> str:
    """The person or service that acts: ``INTERLOCK_ACTOR``, GitHub's actor, the login name, or the number."""
    named = os.environ.get("INTERLOCK_ACTOR") or os.environ.get("GITHUB_ACTOR")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"
