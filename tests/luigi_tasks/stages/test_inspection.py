"""The inspection at the beginning of a run: what it finds in a real PostgreSQL, and what it makes stale."""

import shutil

import pytest

from luigi_tasks import paths, warehouse
from luigi_tasks.cli import explain
from luigi_tasks.errors import PipelineError
from luigi_tasks.stages import inspection
from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.load import Load
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations, project_claim, relation_states
from spark_jobs.schemas import TABLES


def execute(sql: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)


def read(sql: str) -> list[tuple]:
    with warehouse.reading() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def load(place, batch: str, users: list[str]) -> None:
    place.land(f"{batch}.json")
    place.leave_extract(batch)
    place.leave_clean(batch, users)
    Audit(batch=batch).run()
    for table in TABLES:
        Load(batch=batch, table=table).run()
    warehouse.close()  # adds this session's counters to the server's


@pytest.fixture
def loaded(own_warehouse, place):
    load(place, "a", ["ann", "bob"])
    load(place, "b", ["cid"])
    return place


def find() -> list[str]:
    found = [str(finding) for finding in inspection.inspect_warehouse()]
    warehouse.close()
    return found


def test_inspection__of_a_warehouse_that_nobody_touched_finds_nothing(loaded):
    assert find() == []
    load(loaded, "c", ["dan"])
    load(loaded, "b", ["cid", "eve"])
    assert find() == []


def test_inspection__has_a_batch_loaded_again_whose_rows_changed(loaded):
    execute("update raw_data.users set name = 'x' where user_id = 'ann'")
    warehouse.close()
    assert find() == ["raw_data.users: the batch a has other rows than were loaded; it is loaded again"]
    loaded.forget_answers()
    assert Load(batch="a", table="users").check_target() == "its marker is missing"
    assert Load(batch="b", table="users").check_target() is None
    assert read("select user_id from raw_data.users") == [("cid",)]
    Load(batch="a", table="users").run()
    warehouse.close()
    assert find() == []


@pytest.mark.parametrize("loss", ["drop table etl.relations", "truncate etl.relations", "drop schema etl cascade"])
def test_inspection__compares_everything_where_nothing_is_recorded_any_more(loaded, loss):
    execute("update raw_data.users set name = 'x' where user_id = 'ann'; update etl.ledger set read = read + 1")
    execute(loss)
    warehouse.close()
    found = find()
    if "schema" in loss:  # the markers are gone, too: all is loaded again
        assert Load(batch="a", table="users").check_target() == "its marker is missing"
        return
    assert "raw_data.users: the batch a has other rows than were loaded; it is loaded again" in found
    assert "etl.ledger: the batch b is not as in its ledger file; it is audited again" in found
    assert find() == []


def test_inspection__leaves_alone_what_a_rolled_back_transaction_counted(loaded):
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as cursor:
        cursor.execute("delete from raw_data.users")
        raise ZeroDivisionError
    warehouse.close()
    assert [change.relation for change in inspection.list_changes()] == ["raw_data.users"]
    assert find() == []
    assert inspection.list_changes() == []


def test_inspection__removes_rows_of_a_batch_that_was_not_loaded_yet(loaded):
    loaded.land("c.json")
    execute("insert into raw_data.users (batch, file, position, user_id, age_imputed) values ('c', 'f', 0, 'u', false)")
    warehouse.close()
    assert find() == ["raw_data.users: the batch c has other rows than were loaded; it is loaded again"]
    assert read("select count(*) from raw_data.users where batch = 'c'") == [(0,)]


def test_inspection__names_rows_that_nothing_accounts_for(loaded):
    execute("insert into raw_data.users (batch, file, position, user_id, age_imputed) values ('?', 'f', 0, 'u', false)")
    warehouse.close()
    with pytest.raises(
        PipelineError,
        match=r"raw_data.users has other rows of the batch \? than were loaded \(1 row instead of 0 rows\)",
    ):
        find()


def test_inspection__of_an_older_warehouse_records_what_is_there(loaded):
    execute("update etl.table_updates set content = ''; select pg_stat_reset()")
    warehouse.close()
    assert find() == []
    contents = "select count(*) from etl.table_updates where target_table = 'raw_data.users' and content <> ''"
    assert read(contents) == [(2,)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("alter table raw_data.posts drop column likes", "the column likes bigint is gone"),
        (
            "alter table raw_data.posts alter column shares type numeric",
            "shares bigint is gone and the column shares num",
        ),
        ("create rule r as on insert to raw_data.users do instead nothing", "it is with rules"),
        ("create table public.child () inherits (raw_data.users)", "it is with child tables"),
        ("alter table raw_data.users set unlogged", "it is not logged"),
        ("alter table etl.runs drop column host", "the column host text is gone"),
        ("alter table raw_data.users force row level security", "it is with policies that bind its owner"),
    ],
)
def test_inspection__names_a_table_that_was_altered(loaded, damage, reason):
    execute(damage)
    with pytest.raises(PipelineError, match=f"is not as this program created it: .*{reason}"):
        find()


@pytest.mark.parametrize(
    "harmless",
    [
        "alter table raw_data.users add column note text",
        "create index on raw_data.users (username)",
        "alter table raw_data.users enable row level security",
        "vacuum full raw_data.users",
        "analyze raw_data.users",
        "comment on table raw_data.users is 'mine'",
    ],
)
def test_inspection__accepts_what_changes_no_row(loaded, harmless):
    warehouse.get_reader().cursor().execute(harmless)
    warehouse.close()
    assert find() == []
    assert inspection.list_changes() == []


def test_inspection__has_a_dropped_table_created_and_loaded_again(loaded):
    execute("drop table raw_data.users")
    assert len(find()) == 2
    loaded.forget_answers()
    Load(batch="a", table="users").run()
    Load(batch="b", table="users").run()
    assert read("select user_id from raw_data.users order by 1") == [("ann",), ("bob",), ("cid",)]


def test_inspection__has_a_batch_audited_again_whose_ledger_changed(loaded):
    execute("update etl.ledger set read = read + 1, accepted = accepted + 1 where batch = 'b' and measure = 'records'")
    warehouse.close()
    assert find() == ["etl.ledger: the batch b is not as in its ledger file; it is audited again"]
    assert not Marker("etl.ledger", "b").exists()
    assert Marker("etl.ledger", "a").exists()


@pytest.mark.parametrize("lost", ["delete from etl.changed_batches", "truncate etl.replaced_keys"])
def test_inspection__has_everything_built_where_a_queue_lost_rows(loaded, lost):
    with warehouse.transaction() as cursor:
        Marker("candidates", "").touch(cursor, {"inputs": "i"})
        cursor.execute("create schema core; create table core.dim_users (n int)")
        relation_states.remember(cursor, ["core.dim_users"])
    load(loaded, "a", ["ann"])  # which queues the keys that it replaced
    execute(lost)
    warehouse.close()
    assert [finding.split(":")[0] for finding in find()] == [lost.split()[-1]]
    assert not Marker("candidates", "").exists()


def test_inspection__leaves_no_markers_of_before_to_the_check_that_it_is_part_of(loaded):
    execute("update raw_data.users set name = 'x' where user_id = 'ann'; truncate etl.replaced_keys")
    warehouse.close()
    with share_answers():
        assert "raw_data.users" in " ".join(find())
        assert Load(batch="a", table="users").check_target() == "its marker is missing"


def test_inspection__compares_all_rows_after_some_days(loaded):
    execute("update etl.relations set verified_at = now() - interval '8 days'")
    assert {change.relation for change in inspection.list_changes(7)} == {
        *(f"raw_data.{table}" for table in TABLES),
        "etl.ledger",
    }
    inspection.inspect_warehouse(7)
    assert inspection.list_changes(7) == []


def test_inspection__looks_closely_where_the_server_does_not_count(loaded):
    warehouse.get_reader().cursor().execute("alter system set track_counts = off")
    warehouse.get_reader().cursor().execute("select pg_reload_conf()")
    warehouse.close()
    assert "track_counts is off" in inspection.list_changes()[0].reason


def test_explain__says_which_stage_compares_what_others_changed(loaded, monkeypatch):
    monkeypatch.setattr(Stage, "find_stale_reason", lambda stage: None)
    execute("delete from raw_data.users where user_id = 'ann'")
    warehouse.close()
    reasons = {(answer.stage, answer.batch): answer.reason for answer in explain.explain_stages()}
    assert reasons["Load users", "a"] == (
        "raw_data.users: 1 row deleted by others or in vain; the next run compares its rows"
    )


def test_project_claim__refuses_another_project(loaded, monkeypatch, tmp_path):
    own = project_claim.read_project_id()
    monkeypatch.setattr("luigi_tasks.paths.project_id", lambda: tmp_path / "other" / ".project")
    monkeypatch.setattr("luigi_tasks.paths.checkpoints", lambda: tmp_path / "other")
    with pytest.raises(PipelineError, match="the warehouse belongs to the project with the checkpoints"):
        inspection.inspect_warehouse()
    with pytest.raises(PipelineError, match="the warehouse belongs to the project with the checkpoints"):
        migrations.apply()
    with warehouse.transaction() as cursor:
        project_claim.claim(cursor)
    migrations.apply()
    assert project_claim.read_project_id() not in (own, None)


def test_project_claim__is_known_again_after_the_checkpoints_were_deleted(loaded):
    own = project_claim.read_project_id()
    paths.project_id().unlink()
    migrations.apply()
    assert project_claim.read_project_id() == own


def test_project_claim__refuses_a_copy_whose_original_is_still_there(loaded, monkeypatch, tmp_path):
    original, copy = paths.checkpoints(), tmp_path / "copy"
    copy.mkdir()
    shutil.copy(paths.project_id(), copy / ".project")
    monkeypatch.setattr("luigi_tasks.warehouse.project_claim.is_external", lambda: True)
    monkeypatch.setattr("luigi_tasks.paths.checkpoints", lambda: copy)
    with pytest.raises(PipelineError, match=f"belongs to the project with the checkpoints {original} on"):
        migrations.apply()
    with warehouse.transaction() as cursor:
        project_claim.claim(cursor)
    migrations.apply()
    monkeypatch.setattr("luigi_tasks.paths.checkpoints", lambda: original)
    with pytest.raises(PipelineError, match=f"belongs to the project with the checkpoints {copy} on"):
        migrations.apply()


def test_project_claim__follows_a_project_that_moved(loaded, monkeypatch, tmp_path):
    original, moved = paths.checkpoints(), tmp_path / "moved"
    moved.mkdir()
    paths.project_id().rename(moved / ".project")
    monkeypatch.setattr("luigi_tasks.warehouse.project_claim.is_external", lambda: True)
    monkeypatch.setattr("luigi_tasks.paths.checkpoints", lambda: moved)
    migrations.apply()
    shutil.copy(moved / ".project", original / ".project")
    monkeypatch.setattr("luigi_tasks.paths.checkpoints", lambda: original)
    with pytest.raises(PipelineError, match=f"belongs to the project with the checkpoints {moved} on"):
        migrations.apply()
