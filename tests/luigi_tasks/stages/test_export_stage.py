"""Export alone, on published marts in a real PostgreSQL, to a folder and to an object store."""

import hashlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from object_store import object_stores

from luigi_tasks import config, paths, warehouse
from luigi_tasks.cli.doctor.folders import check_export
from luigi_tasks.errors import PipelineError
from luigi_tasks.export import lake, version
from luigi_tasks.stages.export import Export
from luigi_tasks.stages.registry import list_stage_kinds, make_last_stages
from luigi_tasks.stages.report import Report
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations, ownership
from spark_jobs.storage import Location, ObjectPath

MARTS = {"a_mart": "select n, nullif(n % 3, 0) as rest, 'ä' || n as name", "b_mart": "select count(*) as rows"}
"""Queries on the numbers up to some one, by mart."""

Publish = Callable[..., dict[str, list[tuple]]]


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with object_stores() as made:
        yield made


@pytest.fixture(params=["folder", "store"])
def folder(request, tmp_path, set_folder) -> Location:
    """A folder of its own that is set, in the file system and in a store."""
    if request.param == "folder":
        set_folder(tmp_path / "lake")
        return tmp_path / "lake"
    bucket = request.getfixturevalue("bucket")
    set_folder(bucket / tmp_path.name, bucket)
    return bucket / tmp_path.name


@pytest.fixture
def set_folder(place, monkeypatch) -> Callable[..., None]:
    def set_to(folder: Location, bucket: ObjectPath | None = None) -> None:
        monkeypatch.setattr(config.read_section_once(config.export), "folder", str(folder))
        if bucket:
            monkeypatch.setattr(config.read_section_once(config.storage), "endpoint", bucket.endpoint)
            monkeypatch.setattr(config.read_section_once(config.storage), "region", bucket.region)

    return set_to


@pytest.fixture
def publish(shared_warehouse) -> Publish:
    """A function that publishes marts on so many numbers, as Publish leaves them, and returns their rows."""
    with warehouse.reading() as cursor:
        cursor.execute("select to_regclass('etl.table_updates')")
        if cursor.fetchone() == (None,):
            migrations.apply()

    def make(numbers: int, marts: dict[str, str] = MARTS) -> dict[str, list[tuple]]:
        found = {}
        with warehouse.transaction() as cursor:
            cursor.execute(
                "drop schema if exists marts_personal cascade; create schema marts_personal; "
                "create view marts_personal.of_others as select 1"
            )
            for name, query in marts.items():
                cursor.execute(f"create view marts_personal.{name} as {query} from generate_series(1, {numbers}) as n")
                cursor.execute(f"comment on view marts_personal.{name} is '{ownership.MARK} Publish.'")
                cursor.execute(f"select * from marts_personal.{name}")
                found[name] = cursor.fetchall()
            Marker("marts", "").touch(cursor, {"inputs": f"{numbers} {len(marts)}"})
        return found

    return make


def read_current(folder: Location, tmp_path: Path) -> dict[str, list[tuple]]:
    """The rows of all marts by the manifest, whose digests and sizes are compared."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    found = {}
    for mart, files in manifest["marts"].items():
        for file in files:
            content = (folder / manifest["version"] / file["path"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
        found[mart] = read_mart(folder / manifest["version"] / mart, tmp_path)
    return found


def read_mart(mart: Location, tmp_path: Path) -> list[tuple]:
    """The rows in a mart's folder."""
    copies = tmp_path / "copies" / mart.name
    copies.mkdir(parents=True, exist_ok=True)
    for name in lake.list_sizes(mart):
        (copies / name).write_bytes((mart / name).read_bytes())
    return duckdb.sql(f"from '{copies}/*.parquet'").fetchall()


def list_versions(folder: Location) -> list[str]:
    return sorted(lake.list_names(folder / "versions"))


def test_export__leaves_the_marts_as_they_are_in_the_warehouse(folder, publish, tmp_path):
    marts = publish(10)
    assert Export().check_target() == "its manifest is missing or unreadable"
    Export().run()
    assert Export().check_target() is None
    assert read_current(folder, tmp_path) == marts
    assert {name: read_mart(folder / "latest" / name, tmp_path) for name in marts} == marts
    assert sorted(lake.list_names(folder / "latest")) == ["a_mart", "b_mart"], "the view of others is theirs"


def test_export__is_of_the_schema_that_is_set_and_leaves_nothing_of_another(folder, publish, tmp_path, monkeypatch):
    publish(10)
    with warehouse.transaction() as cursor:
        cursor.execute("drop schema if exists marts cascade; create schema marts")
        cursor.execute("create view marts.a_mart as select 0 as n, 'masked' as name")
        cursor.execute(f"comment on view marts.a_mart is '{ownership.MARK} Publish.'")
    Export().run()
    monkeypatch.setattr(config.read_section_once(config.export), "schema", "marts")
    assert Export().check_target() == "its schema changed"
    Export().run()
    assert Export().check_target() is None
    assert read_current(folder, tmp_path) == {"a_mart": [(0, "masked")]}
    assert list(lake.list_sizes(folder / "latest")) == ["a_mart/part-0.parquet"]
    assert len(list_versions(folder)) == 1, "the clear version is gone"


def test_export__has_all_marts_of_one_moment(set_folder, publish, tmp_path, monkeypatch):
    set_folder(tmp_path / "lake")
    with warehouse.transaction() as cursor:
        cursor.execute("drop table if exists public.numbers cascade; create table public.numbers as select 1 as n")
    query = "select (select count(*) from public.numbers) as numbers"
    marts = publish(1, {"a_mart": query, "b_mart": query})
    write_mart = version.write_mart

    def write_and_insert(*arguments: Any) -> Any:
        files = write_mart(*arguments)
        with warehouse.reading() as other_session:
            other_session.execute("insert into public.numbers values (2)")
        return files

    monkeypatch.setattr(version, "write_mart", write_and_insert)
    Export().run()
    assert read_current(tmp_path / "lake", tmp_path) == marts


def test_export__is_written_again_where_the_marts_changed_or_a_file_did_and_only_then(folder, publish, tmp_path):
    publish(10)
    Export().run()
    before = (folder / "manifest.json").read_bytes()
    Export().run()
    assert (folder / "manifest.json").read_bytes() == before
    for path in ("{version}/b_mart/part-0.parquet", "latest/a_mart/part-0.parquet", "manifest.json"):
        version = json.loads((folder / "manifest.json").read_bytes())["version"]
        lake.delete_file(folder / path.format(version=version))
        assert "is missing" in str(Export().check_target())
        Export().run()
        assert Export().check_target() is None
    lake.write_text(folder / "latest/b_mart/part-0.parquet", "shorter")
    assert Export().check_target() == "its file latest/b_mart/part-0.parquet is missing or has another size"
    marts = publish(20)
    Export().run()
    assert read_current(folder, tmp_path) == marts


def test_export__keeps_the_version_before_for_one_round_and_no_mart_that_is_gone(folder, publish):
    versions = []
    for numbers, marts in ((1, MARTS), (2, MARTS), (3, {"a_mart": MARTS["a_mart"]})):
        publish(numbers, marts)
        Export().run()
        versions.append(json.loads((folder / "manifest.json").read_bytes())["version"].rpartition("/")[2])
    assert list_versions(folder) == sorted(versions[1:])
    assert list(lake.list_sizes(folder / "latest")) == ["a_mart/part-0.parquet"]


@pytest.mark.parametrize(
    ("module", "function"),
    [(version, "write_mart"), (lake, "replace_by_copy"), (lake, "write_text")],
    ids=["between marts", "before latest", "before the manifest"],
)
def test_export__that_is_killed_leaves_the_version_before_and_the_next_one_nothing_of_it(
    folder, publish, tmp_path, monkeypatch, module, function
):
    before = publish(10)
    Export().run()
    after = publish(20)
    if (child := os.fork()) == 0:
        write = getattr(module, function)

        def write_first(*arguments: object) -> object:
            if module is lake or arguments[2] == "b_mart":
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments)

        setattr(module, function, write_first)
        Export().run()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert read_current(folder, tmp_path) == before
    assert len(list_versions(folder)) == 2
    Export().run()
    assert read_current(folder, tmp_path) == after
    assert len(list_versions(folder)) == 2
    assert {name: read_mart(folder / "latest" / name, tmp_path) for name in after} == after


def test_export__links_latest_to_the_version_and_copies_it_where_that_is_not_possible(
    set_folder, publish, tmp_path, monkeypatch
):
    set_folder(tmp_path / "lake")
    publish(10)
    Export().run()
    file = tmp_path / "lake/latest/a_mart/part-0.parquet"
    assert file.stat().st_nlink == 2
    file.unlink()
    monkeypatch.delattr(os, "link")
    monkeypatch.setattr(
        os, "link", lambda *paths: (_ for _ in ()).throw(PermissionError(1, "Operation not permitted")), raising=False
    )
    Export().run()
    assert (file.stat().st_nlink, Export().check_target()) == (1, None)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "lake").rglob("*") if path.is_file()} == {0o600}


def test_export__that_cannot_be_written_says_so_in_one_sentence(set_folder, publish, tmp_path, bucket):
    publish(10)
    (tmp_path / "file").write_text("")
    for folder, told in (
        (tmp_path / "file", "Not a directory"),
        (ObjectPath("s3", "no-such-bucket/lake"), "bucket does not exist"),
    ):
        set_folder(folder, bucket)
        with pytest.raises(PipelineError) as raised:
            Export().run()
        assert str(raised.value).startswith(f"{folder}: the marts cannot be exported there (") and told in str(
            raised.value
        )
        with pytest.raises(PipelineError, match=f"^{folder}: "):
            check_export()


def test_export__of_nothing_that_is_published_says_what_to_do(folder, publish):
    publish(1)
    with warehouse.transaction() as cursor:
        Marker("marts", "").clear(cursor)
    with pytest.raises(PipelineError, match="no marts are published yet"):
        Export().run()


def test_manual__shows_how_to_read_the_current_version(set_folder, publish, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    set_folder(tmp_path / "data/lake")
    publish(1, {"platform_mart": "select 'example' as platform"})
    Export().run()
    page = (paths.PROJECT / "docs/operating.md").read_text(encoding="utf-8")
    [program] = re.findall(r"^```python\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(program, {})
    assert "example" in capfd.readouterr().out


def test_export__is_off_unless_a_folder_is_set(place, set_folder):
    assert make_last_stages("") == [Report(batch="")]
    assert "Export" not in [kind.name for kind in list_stage_kinds()]
    with pytest.raises(PipelineError, match=r"section \[export\], key folder: is empty"):
        Export().output()
    assert check_export().text == "off: [export] folder is empty"
    set_folder(place.folder / "lake")
    assert make_last_stages("a") == [Report(batch="a"), Export(batch="a")]
    assert [kind.name for kind in list_stage_kinds()][-2:] == ["Report", "Export"]
    assert check_export().text == f"{place.folder}/lake, created by the first run"


def test_folder__may_hold_versions_of_others(folder, publish):
    lake.write_text(folder / "versions/of-others/file", "theirs")
    for numbers in (1, 2, 3):
        publish(numbers)
        Export().run()
    assert (folder / "versions/of-others/file").read_bytes() == b"theirs"
    assert paths.export() == folder
