"""Who is named in the ledger as the one who acted."""

import getpass

import pytest

from interlock.engine.identity import who


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in ("INTERLOCK_ACTOR", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)


def test_login_name_by_default():
    assert who() == getpass.getuser()


def test_whoever_started_the_workflow_on_github(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    assert who() == "ada"


def test_name_that_was_given_wins(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.setenv("INTERLOCK_ACTOR", "release-bot")
    assert who() == "release-bot"


def test_empty_name_is_no_name(monkeypatch):
    monkeypatch.setenv("INTERLOCK_ACTOR", "")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    assert who() == "ada"


def test_user_without_a_name_is_named_by_number(monkeypatch):
    """As in a container that runs as any number: nothing in the environment, no line in the list of users."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)
    assert who() == "uid 987654"
