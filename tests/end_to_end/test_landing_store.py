"""A run whose landing folder is in an object store (moto's, as a mock of Amazon S3)."""

import gzip
import json
from pathlib import Path

from object_store import CREDENTIALS, object_stores
from project import REPOSITORY, MakeProject

SAMPLES = (*sorted((REPOSITORY / "data/sample").iterdir()), *sorted((REPOSITORY / "data/sample_sources").iterdir()))

LEDGER = "select * from etl.ledger order by batch, entity, measure"


def test_run__loads_from_a_store_what_it_loads_from_a_folder(make_project: MakeProject) -> None:
    local, remote = make_project(), make_project()
    with object_stores() as bucket:
        exports = bucket / "exports"
        for sample in SAMPLES:
            for path in [sample] if sample.is_file() else sorted(path for path in sample.rglob("*") if path.is_file()):
                name = path.relative_to(sample.parent).as_posix()
                local.land(name, path.read_bytes())
                (exports / name).write_bytes(path.read_bytes())
        remote.set(
            {
                "landing": {"folder": exports},
                "storage": {"endpoint": bucket.endpoint, "region": bucket.region},
            }
        )
        for project in (local, remote):
            ended = project.run()
            assert ended.code == 0, ended.output
        assert remote.marts() == local.marts()
        assert remote.rows(LEDGER) == local.rows(LEDGER)
        again = remote.run()
        assert (again.code, "up to date" in again.output) == (0, True), again.output

        (exports / "late.json.gz").write_bytes(gzip.compress(json.dumps([{"user_id": "late"}]).encode()))
        (exports / "cut.json").write_bytes(b'[{"user_id": "cut"}')
        ended = remote.run()
        assert (ended.code, "batch cut, file cut.json: at byte" in ended.output) == (30, True), ended.output
        assert remote.rows("select user_id from raw_data.users where batch = 'late'") == [("late",)]
        _require_no_secret(remote.folder)
    ended = remote.run()
    assert ended.code not in (0, 40), ended.output
    assert f"landing folder {exports}: cannot be read (" in ended.output
    assert "Traceback" not in ended.output


def _require_no_secret(folder: Path) -> None:
    """Fail where a file of the project holds the secret of the store."""
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode()
    assert not [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
