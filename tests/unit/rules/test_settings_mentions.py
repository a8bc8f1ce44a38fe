"""Looking for names of settings in files that somebody wrote to make that slow."""

from time import process_time

import pytest

from interlock.rules.settings_mentions import _told

N = 100_000
SLOW = {
    "spaces after a pool": "pool=" + " " * N + "'x',",
    "spaces after a connection": "conn_id:" + " " * N + "'x',",
    "many pools on a line": "pool: a " * (N // 8),
    "words before an equals sign": "XHook(" + "w" * N + "=",
    "parameters without an end": "XHook(" + "(a" * N,
    "parts of a variable": "var.value." + "a" * N,
    "variable of the environment": "AIRFLOW_VAR_" + "A_" * N,
    "open quotes": 'pool="' + "a" * N,
    "spaces in a template": "{{" + " " * N + "conn",
}


@pytest.mark.parametrize("path", ["dags/a.py", "config/a.yaml"])
@pytest.mark.parametrize("name", SLOW)
def test_hostile_texts_take_no_longer_than_others(name: str, path: str) -> None:
    begun = process_time()
    _told(path, SLOW[name].encode(), ["a_name"])
    assert process_time() - begun < 2
