"""A finding's key tells it from others, for any text."""

from dataclasses import replace

from interlock.model.canonical import digest_of
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity

ONE = Finding("ILK-AF001", Severity.ERROR, Place("dags/ä.py", 3), "no module", "mend it")


def test_key_stays_while_other_lines_change():
    assert replace(ONE, place=Place("dags/ä.py", 9, 12), remedy="other").key == ONE.key
    assert ONE.key == digest_of(["ILK-AF001", "dags/ä.py", "", "no module"])[:16]


def test_file_name_that_is_no_utf_8_has_a_key_of_its_own():
    odd = [replace(ONE, place=Place(path)) for path in ("dags/\udcff.py", "dags/\udcfe.py", "dags/\ud800.py")]
    assert len({one.key for one in odd}) == 3
