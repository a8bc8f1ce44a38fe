import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.model.errors import ConfigError, StaleError
from interlock.model.release import manifest_from_json
from interlock.release.build import build, config_shape, publish
from interlock.release.carried import carried, changed, is_complete
from interlock.release.diff import diff
from interlock.release.manifest import parse_manifest
from interlock.release.sources import release_files
from interlock.release.store_folder import FolderStore
from tests.support.git import git
from tests.unit.release.sample import FILES, IN_RELEASE, built, catalog, config, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project")


def test_what_no_engine_lays_out_is_told_from_the_manifest_alone(root: Path) -> None:
    write(root, {"topics/a.avsc": b"1"})
    old, _ = build(root, config(), catalog(root), "c0ffee", release_files(root, config(), ["topics/a.avsc"]))
    assert sorted(carried(old)) == ["schemas/avro/order.avsc", "topics/a.avsc"]
    write(root, {"topics/a.avsc": b"2", "dags/helper.py": b"X = 2\n", "runtimes/airflow.lock": b"x"})
    new, _ = build(root, config(), catalog(root), "c0ffee", release_files(root, config(), ["topics/a.avsc"]))
    assert changed(old, new) == ("topics/a.avsc",)
    assert changed(None, old) == ("schemas/avro/order.avsc", "topics/a.avsc")
    assert all(
        carried(replace(new, config=odd)) for odd in ({"airflow": 1}, {"dbt": {"project": [None]}, "runtimes": "x"})
    )
    assert is_complete(new) and not is_complete(replace(new, config={"airflow": {"dags": "dags"}}))


def test_a_manifest_reads_back_as_it_was_written(root: Path) -> None:
    manifest, blobs = built(root)
    assert [f.path for f in manifest.files] == IN_RELEASE
    data = manifest.encoded
    assert parse_manifest(data, manifest.id) == manifest == manifest_from_json(json.loads(data))
    assert {blobs[f.digest].read_bytes() for f in manifest.files} == {FILES[p] for p in IN_RELEASE}


SCRIPT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from tests.unit.release.sample import built, published
from interlock.release.archive import export
from interlock.release.store_folder import FolderStore
store = FolderStore(Path(sys.argv[3]))
manifest = published(Path(sys.argv[1]), store)
print(manifest.id, export(store, manifest.id, Path(sys.argv[3])))
"""


def test_the_same_commit_gives_the_same_bytes_anywhere(root: Path, tmp_path: Path) -> None:
    (root / "dags/orders.py").chmod(0o755)
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    ids, archives = set(), set()
    for number, (umask, zone, seed) in enumerate([("022", "UTC", "0"), ("077", "Pacific/Kiritimati", "7")]):
        place = tmp_path / ("x" * (number + 1)) / "deep"
        place.parent.mkdir()
        old = os.umask(int(umask, 8))
        try:
            git(tmp_path, "clone", "-q", str(root), str(place))
        finally:
            os.umask(old)
        for path in place.rglob("*.py"):
            os.utime(path, (number * 10**9, number * 10**9))
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(place), umask, str(tmp_path / f"store{number}")],
            env=os.environ | {"TZ": zone, "PYTHONHASHSEED": seed, "HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=True,
        )
        release, archive = done.stdout.split()
        ids.add(release)
        archives.add(Path(archive).read_bytes())
    assert len(ids) == 1 and len(archives) == 1


def test_modes_other_than_executable_do_not_count(root: Path) -> None:
    first = built(root)[0].id
    (root / "dags/helper.py").chmod(0o600)
    assert built(root)[0].id == first
    (root / "dags/helper.py").chmod(0o700)
    manifest = built(root)[0]
    assert manifest.id != first and manifest.by_path["dags/helper.py"].executable


def test_no_value_or_place_of_an_environment_is_in_the_shape() -> None:
    shape = config_shape(config())
    text = json.dumps(shape)
    assert not any(word in text for word in ("dev-only", "/srv/prod", "somewhere", "/opt/py"))
    assert shape["environments"]["dev"] == {"after": None, "targets": [], "values": ["bucket"]}
    assert shape["environments"]["prod"] == {"after": "dev", "targets": ["dbt"], "values": []}
    assert shape["runtimes"]["spark"] == {"external": True}
    assert shape["gates"]["defaults"]["freshness"]["max_age"] == "P1DT2H"


def test_a_resource_whose_file_would_be_missing_is_refused(root: Path) -> None:
    files = [f for f in release_files(root, config()) if f != "dags/helper.py"]
    with pytest.raises(ConfigError, match=r"dags/helper.py is needed by airflow.dag:orders") as refused:
        build(root, config(), catalog(root), "", files)
    assert "include" in refused.value.remedy


def test_a_file_that_is_too_large_is_refused_unread(root: Path) -> None:
    with (root / "dags/huge.bin").open("wb") as file:
        file.truncate(101 * 2**20)
    with pytest.raises(ConfigError, match=r"dags/huge.bin has 101 MiB"):
        built(root)


def test_a_pipe_in_the_project_is_refused_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "dags/pipe")
    assert stat.S_ISFIFO((root / "dags/pipe").stat().st_mode)
    with pytest.raises(ConfigError, match="no regular file"):
        built(root)


def test_a_vanished_file_is_named(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"dags/gone.py could not be read"):
        build(root, config(), catalog(root), "", [*release_files(root, config()), "dags/gone.py"])


def test_a_file_that_changes_during_the_build_is_noticed(root: Path, tmp_path: Path) -> None:
    manifest, blobs = built(root)
    (root / "dags/helper.py").write_bytes(b"X = 2\n")
    store = FolderStore(tmp_path / "store")
    with pytest.raises(StaleError, match="changed during the build"):
        publish(store, manifest, blobs)
    assert store.list() == ()


def test_a_diff_names_what_changed_and_why(root: Path) -> None:
    old = built(root)[0]
    assert diff(old, old).empty
    write(root, {"dags/helper.py": b"X = 2\n", "plugins/shared.py": b"# a comment\n", "dags/more.py": b""})
    new = built(root)[0]
    found = diff(old, new)
    assert [(c.key, c.parts) for c in found.changed] == [("airflow.dag:orders", ("code",))]
    assert (found.files_added, found.files_removed) == (("dags/more.py",), ())
    assert found.files_changed == ("dags/helper.py", "plugins/shared.py")
    without = replace(new, catalog=replace(new.catalog, resources=new.catalog.resources[:1]), runtimes={"airflow": "0"})
    found = diff(new, without)
    assert (found.removed, found.added, found.runtimes_changed) == (("dbt.model:shop.orders",), (), ("airflow",))
    assert diff(without, new).added == ("dbt.model:shop.orders",) and not found.empty


def test_a_comment_changes_files_and_no_resource(root: Path) -> None:
    old = built(root)[0]
    write(root, {"dags/helper.py": b"# why\nX  =  1\n"})
    found = diff(old, built(root)[0])
    assert found.empty and found.files_changed == ("dags/helper.py",)
