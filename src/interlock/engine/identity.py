"""Who acts."""

import getpass
import os


def who() -> str:
    """The person or service that acts: ``INTERLOCK_ACTOR``, GitHub's actor, or the login name."""
    return os.environ.get("INTERLOCK_ACTOR") or os.environ.get("GITHUB_ACTOR") or getpass.getuser()
