"""What dbt remembers of its last parse: found again by the next one, never shared by two at once."""

from pathlib import Path

from interlock.runtimes.parsing import parsing_place


def test_the_path_stays_the_same_whatever_project_it_leads_to(tmp_path: Path) -> None:
    projects = [tmp_path / "first", tmp_path / "second"]
    paths = set()
    for project in projects:
        project.mkdir()
        with parsing_place(tmp_path / "place", project) as place:
            paths.add((place.project, place.target))
            assert place.project.resolve() == project
            (place.target / "kept").touch()
    assert len(paths) == 1
    assert (paths.pop()[1] / "kept").exists()


def test_whoever_comes_meanwhile_gets_an_empty_place_that_is_gone_afterwards(tmp_path: Path) -> None:
    with parsing_place(tmp_path / "place", tmp_path) as first:
        (first.target / "partial_parse.msgpack").touch()
        with parsing_place(tmp_path / "place", tmp_path / "other") as second:
            assert second.target != first.target and list(second.target.iterdir()) == []
            assert second.project.readlink() == tmp_path / "other"
        assert not second.target.exists()
        assert first.project.readlink() == tmp_path


def test_what_is_remembered_can_be_forgotten(tmp_path: Path) -> None:
    with parsing_place(tmp_path / "place", tmp_path) as place:
        assert not place.forget()
        (place.target / "partial_parse.msgpack").touch()
        assert place.forget() and not place.forget()


def test_a_cache_that_was_copied_with_what_its_links_led_to_is_put_right(tmp_path: Path) -> None:
    (tmp_path / "place" / "project" / "models").mkdir(parents=True)
    with parsing_place(tmp_path / "place", tmp_path) as place:
        assert place.project.is_symlink()


def test_a_killed_process_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "project.new").symlink_to("nowhere")
    (tmp_path / "place" / "project").symlink_to("nowhere")
    with parsing_place(tmp_path / "place", tmp_path) as place:
        assert place.project.readlink() == tmp_path
