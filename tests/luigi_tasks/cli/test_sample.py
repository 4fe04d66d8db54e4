"""The sample goes into an empty landing folder where nothing was ever loaded; samples of other sources are read."""

from collections import Counter

import pytest

from luigi_tasks import paths, warehouse
from luigi_tasks.cli import sample
from luigi_tasks.cli.sources import try_files
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import migrations

SAMPLE = sorted(path.name for path in sample.SAMPLE.iterdir())


@pytest.fixture
def landing(own_warehouse, tmp_path, monkeypatch):
    """A landing folder that is not there yet, and checkpoints without a batch."""
    monkeypatch.setattr(paths, "landing", lambda: tmp_path / "landing")
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path / "checkpoints")
    return tmp_path / "landing"


def fill(landing) -> list[str]:
    sample.put_sample_where_all_is_new()
    return sorted(path.name for path in landing.iterdir())


def execute(sql: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)


def test_sample__goes_into_an_empty_folder_where_all_is_new_and_starts_no_server_for_that(landing):
    assert fill(landing) == SAMPLE
    assert not paths.embedded_postgres().exists()


def test_sample__goes_where_a_run_found_nothing(landing):
    migrations.apply()
    execute(
        "insert into etl.table_updates (update_id, target_table, batch, built_from) "
        "values ('candidates', 'candidates', '', '{}')"
    )
    assert fill(landing) == SAMPLE


@pytest.mark.parametrize(
    "trace",
    [
        "insert into raw_data.users (batch, file, position, user_id, age_imputed) values ('b', 'f', 0, 'ann', false)",
        "insert into raw_data.rejected (batch, file, position, entity, rules) values ('b', 'f', 0, 'document', '{r}')",
        "insert into etl.table_updates (update_id, target_table, batch, built_from) "
        "values ('raw_data.users b', 'raw_data.users', 'b', '{}')",
        "insert into etl.stages (run_id, stage, batches, started_at, seconds, outcome) "
        "values ('r', 'Load users', '{b}', now(), 1, 'done')",
    ],
)
def test_sample__stays_out_of_a_warehouse_that_held_data(landing, capsys, trace):
    migrations.apply()
    execute(trace)
    assert fill(landing) == []
    assert "the sample is put there only for a warehouse that never held data" in capsys.readouterr().err


def test_sample__stays_out_where_checkpoints_wait_for_a_warehouse(landing, monkeypatch):
    monkeypatch.setattr(sample.checkpoint, "list_loadable_batches", lambda without: ["2026-01-01"])
    assert fill(landing) == []


def test_sample__stays_out_of_a_folder_that_holds_anything(landing):
    landing.mkdir()
    (landing / "export.json.tmp").touch()
    assert fill(landing) == ["export.json.tmp"]


def test_sample__is_not_put_where_the_warehouse_cannot_be_asked(landing, monkeypatch):
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(PipelineError, match="cannot connect"):
        sample.put_sample_where_all_is_new()
    assert not any(landing.iterdir())


@pytest.mark.parametrize(
    ("name", "source", "rows", "skipped"),
    [
        ("reddit", "reddit_dump", {"user": 7, "post": 5, "comment": 10}, {}),
        ("facebook", "facebook_statuses", {"post": 5, "comment": 9}, {}),
        (
            "mastodon.zip",
            "mastodon_archive",
            {"user": 1, "post": 3, "comment": 2},
            {"document.no_post": 1, "post.not_public": 1, "post.repost": 1},
        ),
    ],
)
def test_samples_of_other_sources__are_read_without_a_fault(name, source, rows, skipped):
    previews = try_files(paths.PROJECT / "data" / "sample_sources" / name)
    found: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for preview in previews:
        found.update(preview.counts)
        left_out.update(preview.skipped)
    assert {preview.source for preview in previews} == {source}
    assert (dict(found), dict(left_out)) == (rows, skipped)
    assert not [each for each in previews if each.fault or each.rejected or each.unknown_fields]
