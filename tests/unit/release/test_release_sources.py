import os
import unicodedata
from pathlib import Path

import pytest

from interlock.model.errors import ConfigError
from interlock.release.sources import release_files
from tests.support.git import git
from tests.unit.release.sample import IN_RELEASE, config, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project")


def files(root: Path) -> list[str]:
    return list(release_files(root, config()))


def test_declared_sections_are_in_and_the_rest_is_out(root: Path) -> None:
    assert files(root) == IN_RELEASE


def test_what_it_carries_is_in_wherever_it_lies(root: Path) -> None:
    write(root, {"topics/avro/order.avsc": b"{}", "topics/notes.txt": b"", "topics/.env": b""})
    assert release_files(root, config(), ["topics/avro/order.avsc", "topics/.env", "gone.avsc"]) == tuple(
        sorted([*IN_RELEASE, "topics/avro/order.avsc"])
    )


def test_git_and_a_walk_agree(root: Path) -> None:
    git(root, "init")
    assert files(root) == IN_RELEASE  # untracked
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    assert files(root) == IN_RELEASE  # tracked


def test_what_git_ignores_or_deleted_is_out(root: Path) -> None:
    git(root, "init")
    git(root, "add", ".")
    write(root, {".gitignore": b"*.local\n", "dags/x.local": b"", "dags/new.py": b""})
    (root / "dags/helper.py").unlink()
    assert files(root) == sorted({*IN_RELEASE, "dags/new.py"} - {"dags/helper.py"})


def test_a_project_in_a_folder_of_a_repository_holds_only_itself(root: Path) -> None:
    write(root.parent, {"dags/other.py": b""})
    git(root.parent, "init")
    git(root.parent, "add", ".")
    assert files(root) == IN_RELEASE


def test_a_hook_that_points_git_elsewhere_does_not_mislead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "init")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert files(root) == IN_RELEASE


def test_by_products_and_likely_secrets_are_out_even_when_tracked(root: Path) -> None:
    noise = ["dags/__pycache__/a.pyc", "dbt/target/manifest.json", "dbt/logs/dbt.log", "dbt/.user.yml", "dags/.env"]
    noise += ["terraform/terraform.tfstate", "terraform/.terraform/x", "dags/.DS_Store", "plugins/.interlock/x"]
    write(root, dict.fromkeys(noise, b"x"))
    git(root, "init")
    git(root, "add", "-f", ".")
    assert files(root) == IN_RELEASE


def test_dbt_packages_are_in_though_git_ignores_them(root: Path) -> None:
    write(root, {".gitignore": b"pkgs/\ntarget/\n", "dbt/pkgs/utils/macros/a.sql": b"", "dbt/out/x": b""})
    write(root, {"dbt/dbt_project.yml": b"packages-install-path: pkgs\ntarget-path: out\n"})
    git(root, "init")
    assert files(root) == sorted({*IN_RELEASE, "dbt/pkgs/utils/macros/a.sql"})


def test_links_inside_the_project_stand_for_what_they_point_to(root: Path) -> None:
    (root / "dags/again.py").symlink_to("helper.py")
    (root / "dags/lib").symlink_to("../spark/lib")
    (root / "notes/deep").mkdir()
    (root / "notes/deep/in").symlink_to("../todo.txt")
    (root / "dags/notes").symlink_to("../notes/deep")
    expected = sorted({*IN_RELEASE, "dags/again.py", "dags/lib/shop/__init__.py", "dags/notes/in"})
    assert files(root) == expected
    git(root, "init")
    git(root, "add", ".")
    assert files(root) == expected


def test_a_section_behind_a_link_is_found(root: Path) -> None:
    (root / "dags").rename(root / "real")
    (root / "dags").symlink_to("real")
    assert files(root) == IN_RELEASE


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("loop", "in a loop"),
        ("..", "back to a folder that holds it"),
        (".", "back to a folder that holds it"),
        ("../../outside", "out of the project"),
        ("/etc/hostname", "out of the project"),
        ("nothing", "points to nothing"),
        ("../.git/config", "out of the project"),
    ],
)
def test_links_that_leave_loop_or_dangle_are_refused(root: Path, target: str, said: str) -> None:
    (root.parent / "outside").mkdir()
    git(root, "init")
    (root / "dags/loop").symlink_to(target)
    with pytest.raises(ConfigError, match=said) as refused:
        files(root)
    assert "dags/loop" in str(refused.value) and refused.value.remedy


def test_links_to_each_others_folders_are_refused(root: Path) -> None:
    write(root, {"dags/a/x": b"", "dags/b/x": b""})
    (root / "dags/a/b").symlink_to("../b")
    (root / "dags/b/a").symlink_to("../a")
    with pytest.raises(ConfigError, match="back to a folder"):
        files(root)


def test_a_broken_link_elsewhere_harms_nobody(root: Path) -> None:
    (root / "notes/loop").symlink_to("loop")
    assert files(root) == IN_RELEASE


@pytest.mark.parametrize("name", [b"dags/\xff.py", b"dags/a\nb.py", b"dags/a\\b.py"])
def test_names_that_do_not_travel_are_refused(root: Path, name: bytes) -> None:
    Path(os.fsdecode(bytes(root) + b"/" + name)).write_bytes(b"")
    with pytest.raises(ConfigError, match="backslash, a control character"):
        files(root)


def test_decomposed_names_are_composed_and_must_not_meet(root: Path) -> None:
    composed, decomposed = "dags/é.py", unicodedata.normalize("NFD", "dags/é.py")
    write(root, {decomposed: b""})
    assert composed in files(root)
    write(root, {composed: b""})
    with pytest.raises(ConfigError, match="two files"):
        files(root)


def test_a_sparse_checkout_is_refused(root: Path) -> None:
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    git(root, "sparse-checkout", "set", "dags")
    with pytest.raises(ConfigError, match="sparse"):
        files(root)


def test_a_repository_that_git_cannot_read_is_an_error(root: Path) -> None:
    write(root, {".git": b"gitdir: /nowhere\n"})
    with pytest.raises(ConfigError, match="git could not say"):
        files(root)


def test_globs_reach_as_far_as_they_say(root: Path) -> None:
    deep = config().model_copy(update={"spark": config().spark.model_copy(update={"jobs": ("spark/**/*.py",)})})  # type: ignore[union-attr]
    write(root, {"spark/jobs/deep/er.py": b"", "spark/top.py": b""})
    assert {"spark/jobs/deep/er.py", "spark/top.py"} <= set(release_files(root, deep))
    assert "spark/jobs/deep/er.py" not in files(root)
