"""Files are taken over once, however often a partner sends them."""

import pytest
from payments_common.landing import require_rows, take_over


@pytest.fixture
def landing(tmp_path, monkeypatch):
    """An empty landing area of one source, beside an empty lake."""
    monkeypatch.setenv("PAYMENTS_LANDING_DIR", str(tmp_path / "landing"))
    monkeypatch.setenv("PAYMENTS_LAKE_DIR", str(tmp_path / "lake"))
    folder = tmp_path / "landing" / "refunds"
    folder.mkdir(parents=True)
    return folder


def test_new_file_is_taken_over(landing, tmp_path):
    (landing / "monday.csv").write_text("r1\n")
    assert take_over("refunds") == 1
    [taken] = (tmp_path / "lake" / "refunds").iterdir()
    assert taken.read_text() == "r1\n"


def test_file_that_is_sent_twice_counts_once(landing):
    (landing / "monday.csv").write_text("r1\n")
    (landing / "monday-again.csv").write_text("r1\n")
    assert take_over("refunds") == 1
    assert take_over("refunds") == 0


def test_too_few_rows_are_an_error(landing):
    (landing / "monday.csv").write_text("r1\nr2\n")
    take_over("refunds")
    assert require_rows("refunds", minimum=2) == 2
    with pytest.raises(ValueError, match="at least 3"):
        require_rows("refunds", minimum=3)
