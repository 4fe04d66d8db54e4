"""What runs again after a target was deleted or something changed, and that the marts come out right.

The tests share one project; each leaves it up to date.
"""

import fcntl
import getpass
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from project import PROGRAMS

from luigi_tasks.dbt.project import EXPOSURES
from luigi_tasks.privacy.comparison import Differences, compare_columns
from luigi_tasks.privacy.map_file import read_map
from luigi_tasks.warehouse.embedded.server import lease_server
from luigi_tasks.warehouse.schema_names import SCHEMAS

REPOSITORY = Path(__file__).resolve().parents[2]


def document(user: str, likes: int, **fields: Any) -> dict[str, Any]:
    post = {
        "post_id": f"post of {user}",
        "post_text": "a text",
        "location": "Sydney",
        "timestamp": "2022-10-08 01:41:04",
        "shares": 2,
        "tags": ["art"],
        "reactions": {"like": likes},
        "comments": [{"user_id": "ann", "comment": "hi", "timestamp": "2022-10-09 00:00:00"}],
    }
    return {"user_id": user, "username": user, "posts": [post], **fields}


OLD, NEW = [document("ann", 1), document("ben", 2)], [document("ben", 5), document("cyd", 7)]


@pytest.fixture(scope="module")
def project(make_project):
    made = make_project()
    shutil.copytree(REPOSITORY / "dbt_project", made.folder / "dbt_project", ignore=shutil.ignore_patterns("target"))
    made.set({"dbt": {"project": "dbt_project"}})
    made.land("2026-01-01.json", OLD)
    made.land("2026-01-02/part-1.json", NEW)
    ran = made.run()
    assert ran.code == 0, ran.output
    return made


def test_privacy_map__has_every_column_and_folder_of_a_run(project):
    existing: dict[str, dict[str, list[str]]] = {schema: {} for schema in SCHEMAS}
    for schema, table, columns in project.rows(
        "select relnamespace::regnamespace::text, relname, array_agg(attname::text) "
        "from pg_attribute inner join pg_class on attrelid = pg_class.oid "
        "where attnum > 0 and not attisdropped and relkind not in ('i', 'I', 'S', 'c', 't') "
        "and relnamespace::regnamespace::text !~ '^pg_|^information_schema$' group by 1, 2"
    ):
        existing.setdefault(schema, {})[table] = columns
    privacy_map = read_map()
    assert compare_columns(privacy_map, existing) == Differences()
    named = [each.name.partition("/") for each in privacy_map.folders if each.name.startswith("checkpoints.")]
    made = {path.name for path in project.checkpoints.iterdir() if path.is_dir()}
    assert made == {folder for _, _, folder in named}


def run(project, *arguments: str, **variables: str) -> list[str]:
    """Run, and give back the titles of the stages that did something."""
    before = set((project.folder / "logs").iterdir())
    ran = project.run(*arguments, **variables)
    assert ran.code == 0, ran.output
    return titles(project, before)


def titles(project, before: set[Path]) -> list[str]:
    found = []
    for folder in set((project.folder / "logs").iterdir()) - before:
        events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        found += [event["title"] for event in events if event["event"] == "finished"]
    return sorted(found)


def test_run_all__does_nothing_when_all_is_up_to_date(project):
    ran = project.run()
    assert ran.code == 0
    assert "RunAll: 2 batches and the marts are up to date" in ran.output
    assert "started" not in ran.output.replace("started PostgreSQL", "")


def test_run_all__leaves_nothing_in_the_folder_for_temporary_files(project, tmp_path):
    shutil.rmtree(project.checkpoints / "clean" / "2026-01-01")
    ran = project.run(TMPDIR=str(tmp_path))
    assert ran.code == 0, ran.output
    assert list(tmp_path.iterdir()) == []


def test_marts__hold_the_later_batch_s_version(project):
    likes = project.rows(
        "select username, total_likes, total_comments from marts_personal.user_engagement_mart order by 1"
    )
    assert likes == [("ann", 1, 1), ("ben", 5, 1), ("cyd", 7, 1)]


@pytest.mark.parametrize(("column", "ranked"), [("total_likes", False), ("engagement_rank", True)])
@pytest.mark.parametrize("mart", ["user_engagement_mart", "content_performance_mart"])
def test_marts__count_ranks_only_for_who_asks_for_them(project, mart, column, ranked):
    plan = project.rows(f"explain select {column} from marts_personal.{mart} where user_sk = md5('ann')::uuid")
    assert any("WindowAgg" in line for (line,) in plan) == ranked


def test_load__runs_again_alone_when_its_marker_is_deleted(project):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table = 'raw_data.posts' and batch = '2026-01-01'")
    project.rows("delete from raw_data.posts where batch = '2026-01-01'")
    assert run(project) == ["Load posts 2026-01-01"]
    assert project.marts() == marts


def test_dbt_run__runs_again_with_what_follows_when_its_marker_is_deleted(project):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table = 'candidates'")
    project.rows("drop schema candidates cascade")
    assert run(project) == ["DbtRun", "DbtTest", "Publish", "Report"]
    assert project.marts() == marts


def test_dbt_test__runs_again_alone_when_its_marker_is_deleted(project):
    project.rows("delete from etl.table_updates where target_table = 'candidates tested'")
    assert run(project) == ["DbtTest"]


@pytest.mark.parametrize("lost", ["marts", "published", "published.int_post_engagement"])
def test_publish__runs_again_alone_when_its_marker_is_deleted(project, lost):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table = 'marts'")
    project.rows(f"drop {'table' if '.' in lost else 'schema'} {lost} cascade")
    assert run(project) == ["Publish"]
    assert project.marts() == marts


def test_publish__names_relations_of_others_in_place_of_its_views(project):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table = 'marts'")
    project.rows("drop view marts.tag_analysis_mart, marts.daily_engagement_mart")
    project.rows("create table marts.tag_analysis_mart (tag text)")
    project.rows("create view marts.daily_engagement_mart as select 1 as another")
    ended = project.run()
    assert ended.code == 30
    assert "have: table marts.tag_analysis_mart, view marts.daily_engagement_mart; nothing was changed" in ended.output
    project.rows("drop table marts.tag_analysis_mart; drop view marts.daily_engagement_mart")
    assert run(project) == ["Publish"]
    assert project.marts() == marts


def test_publish__leaves_what_others_made_on_a_mart(project):
    project.rows("create role analyst; grant select on marts.tag_analysis_mart to analyst")
    project.rows("create view public.arts as select * from marts.tag_analysis_mart where tag = 'art'")
    before = project.rows("select * from public.arts")
    project.rows("delete from etl.table_updates where target_table = 'marts'")
    assert run(project) == ["Publish"]
    assert project.rows("select * from public.arts") == before != []
    assert project.rows("select has_table_privilege('analyst', 'marts.tag_analysis_mart', 'select')") == [(True,)]
    project.rows("drop view public.arts; revoke select on marts.tag_analysis_mart from analyst; drop role analyst")


def test_publish__leaves_no_name_of_its_own_making(project):
    assert project.rows("select relname from pg_class where relname ~ '__(new|old)$'") == []


@pytest.mark.parametrize("command", ["run", "test"])
def test_dbt__comes_through_when_the_server_is_killed_in_the_middle(project, command):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table in ('candidates', 'candidates tested')")
    project.close()
    process = project.start()
    log = f"logs/*/dbt_{command}.log"
    before = set(project.folder.glob(log))
    wait_for(lambda: any("START" in path.read_text() for path in set(project.folder.glob(log)) - before))
    server = project.folder / "postgres" / "cluster" / "postmaster.pid"
    os.kill(int(server.read_text().splitlines()[0]), signal.SIGKILL)
    output = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, output
    assert re.search(
        rf"Dbt{command.capitalize()}: .*server cannot be reached.*: attempt 1 of 5 failed, the next in", output
    )
    assert "Traceback" not in output
    assert project.marts() == marts
    assert run(project) == (["DbtRun"] if command == "test" else [])  # tables are compared: their counters are lost
    assert run(project) == []


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_publish__names_who_holds_a_mart(project):
    marts = project.marts()
    project.rows("delete from etl.table_updates where target_table = 'marts'")
    project.set({"warehouse": {"lock_timeout": 1}})
    with held(project, "lock table marts.tag_analysis_mart in access share mode") as pid:
        ran = project.run()
    project.set({"warehouse": {"lock_timeout": 60}})
    assert ran.code == 30
    assert f"pid {pid} (user socialmart, application the report, from this machine, since " in ran.output
    assert "holds AccessShareLock on marts.tag_analysis_mart: lock table marts.tag_analysis_mart in" in ran.output
    assert f"end it with select pg_terminate_backend({pid}), then run again" in ran.output
    assert "Traceback" not in ran.output
    assert run(project) == ["Publish"]
    assert project.marts() == marts


@contextmanager
def held(project, sql: str) -> Iterator[int]:
    """A session of somebody else's, in whose transaction this was done; its process number."""
    server = lease_server(project.folder / "postgres")
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    where = {names[name]: value for name, value in server.parameters.items()}
    options = "-c idle_in_transaction_session_timeout=30s"
    with closing(psycopg2.connect(**where, application_name="the report", options=options)) as session:
        session.cursor().execute(sql)
        yield session.info.backend_pid
    server.release()


@pytest.mark.parametrize("stage", ["extract", "clean", "audit"])
def test_checkpoint__is_built_again_alone_when_it_is_deleted(project, stage):
    marts = project.marts()
    manifest = project.checkpoints / stage / "2026-01-01" / "manifest.json"
    content = json.loads(manifest.read_text()).get("content")
    shutil.rmtree(manifest.parent)
    assert run(project) == [f"{stage.capitalize()} 2026-01-01"]
    assert json.loads(manifest.read_text()).get("content") == content
    assert project.marts() == marts


def test_checkpoint__is_built_again_when_a_file_of_it_is_gone(project):
    next((project.checkpoints / "clean" / "2026-01-02" / "users").glob("*.parquet")).unlink()
    assert run(project) == ["Clean 2026-01-02"]


def test_batch__is_rebuilt_alone_when_a_file_arrives_late(project, make_project):
    late = [document("dot", 9)]
    project.land("2026-01-02/part-2.json", late)
    ran = run(project)
    assert ran == [
        "Audit 2026-01-02",
        "Clean 2026-01-02",
        "DbtRun",
        "DbtTest",
        "Extract 2026-01-02",
        "Load comments 2026-01-02",
        "Load posts 2026-01-02",
        "Load users 2026-01-02",
        "Publish",
        "Report",
    ]
    corrected = [document("ann", 100), document("ben", 2, age=40)]
    project.land("2026-01-01.json", corrected)
    assert [title for title in run(project) if "2026-01-02" in title] == []
    fresh = make_project()
    fresh.land("2026-01-01.json", corrected)
    fresh.land("2026-01-02/part-1.json", NEW)
    fresh.land("2026-01-02/part-2.json", late)
    ended = fresh.run()
    assert ended.code == 0, ended.output
    assert project.marts() == fresh.marts()
    fresh.close()


def test_touched_file__of_equal_content_changes_nothing(project):
    os.utime(project.landing / "2026-01-01.json", (1, 1))
    assert run(project) == []


def test_dbt__runs_alone_when_a_model_is_changed(project):
    model = project.folder / "dbt_project" / "models" / "marts" / "tag_analysis_mart.sql"
    model.write_text(model.read_text() + "\n-- a change\n")
    assert run(project) == ["DbtRun", "DbtTest", "Publish", "Report"]


def test_mart__goes_when_its_model_is_dropped(project):
    dbt_project = project.folder / "dbt_project"
    files = [*dbt_project.glob("models/marts/tag_analysis_mart.*"), dbt_project / "tests" / "assert_tags_agree.sql"]
    exposures = dbt_project / "models" / EXPOSURES
    before = {file: file.read_text() for file in [*files, exposures]}
    for file in files:
        file.unlink()
    exposures.write_text(before[exposures].replace("      - ref('tag_analysis_mart')\n", ""))
    ran = project.run()
    assert ran.code == 30
    lost = 'relation "marts_personal.tag_analysis_mart" does not exist'
    assert f"report: a table or column that it shows is missing ({lost}); restore it and run again" in ran.output
    assert "Traceback" not in ran.output
    assert "tag_analysis_mart" not in project.marts()
    for file, text in before.items():
        file.write_text(text)
    assert run(project) == ["DbtRun", "DbtTest", "Publish", "Report"]
    assert project.marts()["tag_analysis_mart"]


def test_dbt_test__runs_alone_when_a_test_is_changed(project):
    test = next((project.folder / "dbt_project" / "tests").rglob("*.sql"))
    test.write_text(test.read_text() + "\n-- a change\n")
    assert run(project) == ["DbtTest"]


def test_dbt_test__fails_the_run_and_names_the_failed_test(project):
    test = project.folder / "dbt_project" / "tests" / "never_right.sql"
    test.write_text("select 1 as wrong\n")
    ran = project.run()
    assert ran.code == 30
    assert "dbt test: 1 failed: never_right" in ran.output
    assert "Traceback" not in ran.output
    test.unlink()
    assert run(project) == []


def test_failed_test__keeps_from_readers_what_was_loaded(project):
    marts = project.marts()
    test = project.folder / "dbt_project" / "tests" / "never_right.sql"
    test.write_text("select 1 as wrong\n")
    project.land("2026-01-03.json", [document("eli", 3)])
    assert project.run().code == 30
    assert project.rows("select username from core.dim_users where user_id = 'eli'") == [("eli",)]
    assert project.marts() == marts
    test.unlink()
    assert run(project) == ["DbtTest", "Publish", "Report"]
    assert project.rows("select username from marts_personal.user_engagement_mart where user_id = 'eli'") == [("eli",)]


def test_broken_file__leaves_what_was_loaded_and_stops_no_other_batch(project):
    good = (project.landing / "2026-01-01.json").read_bytes()
    marts = project.marts()
    project.land("2026-01-01.json", good[:-30])
    for _ in range(2):
        ran = project.run()
        assert ran.code == 30
        sentences = [line for line in ran.output.splitlines() if "cut short" in line and "the run ended" not in line]
        assert [line.strip() for line in sentences] == [
            f"batch 2026-01-01, file 2026-01-01.json: at byte {len(good) - 30:,}: the array is cut short; "
            "nothing of the batch is loaded; replace the file and run again"
        ]
        assert project.marts() == marts
    project.land("2026-01-01.json", good)
    assert run(project) == ["Audit 2026-01-01", "Clean 2026-01-01", "Extract 2026-01-01", "Report"]
    assert project.marts() == marts


def test_batch__stays_loaded_when_it_has_left_the_landing_folder(project):
    marts = project.marts()
    path = project.landing / "2026-01-01.json"
    content = path.read_bytes()
    path.unlink()
    assert run(project) == []
    assert project.marts() == marts
    project.land("2026-01-01.json", content)
    assert run(project) == []


def test_run_all__of_one_batch_leaves_the_others_alone(project):
    project.land("2026-01-03.json", [document("eve", 1)])
    project.land("2026-01-04.json", [document("fay", 1)])
    ran = run(project, "RunAll", "--RunAll-batch", "2026-01-03")
    assert [title for title in ran if "2026-01-04" in title] == []
    assert project.rows("select count(*) from marts_personal.user_engagement_mart where user_id in ('eve', 'fay')") == [
        (1,)
    ]
    (project.landing / "2026-01-04.json").unlink()


def test_named_server__gets_the_same_marts(project, tmp_path_factory):
    marts = project.marts()
    place = project.folder / "another server"
    server = lease_server(place)
    try:
        ran = run(project, **server.parameters)
        assert {title.split()[0] for title in ran} == {"Audit", "Load", "DbtRun", "DbtTest", "Publish", "Report"}
        own, project._server = project._server, server
        assert project.marts() == marts
        project._server = own
    finally:
        server.release()


def test_second_run__leaves_with_10_while_one_is_running(project):
    with (project.checkpoints / ".run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = project.run()
    assert ran.code == 10
    assert "another run is at work since " in ran.output
    assert f" and holds {lock.name}; nothing is done" in ran.output


def test_missing_server__is_said_in_a_sentence(project):
    project.set({"warehouse": {"retries": 2}})
    ran = project.run(PGHOST="127.0.0.1", PGPORT="1", PGUSER="nobody", PGPASSWORD="a secret")
    assert ran.code == 35
    assert "attempt 1 of 2 failed" in ran.output
    assert "warehouse: cannot connect: the server cannot be reached" in ran.output
    assert "Traceback" not in ran.output
    assert "a secret" not in ran.output


def test_bad_setting__is_named_with_its_section_and_key(project):
    project.set({"quality": {"max_rejected_share": "a quarter"}})
    ran = project.run()
    project.set({"quality": {"max_rejected_share": 0.25}})
    assert ran.code == 35
    assert "luigi.cfg, section [quality], key max_rejected_share: cannot be read" in ran.output
    assert "Traceback" not in ran.output


def test_missing_luigi_cfg__is_said_in_a_sentence(project, tmp_path):
    ended = subprocess.run(
        [PROGRAMS / "luigi", "--module", "luigi_tasks", "RunAll"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"luigi.cfg: none with a section [retcode] is in {tmp_path}; go to the folder that has it"
    )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "said"), [(["--Load-table", "likes"], "likes is not a valid choice"), ([], "requires the 'table'")]
)
def test_parameter_that_does_not_do__is_said_in_a_sentence(project, table, said):
    ran = project.run("Load", "--Load-batch", "2026-01-01", *table)
    assert ran.code == 40
    assert said in ran.output
    assert "luigi --module luigi_tasks Load --help says what it takes" in ran.output
    assert "Traceback" not in ran.output


def test_missing_client__is_said_in_a_sentence(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    ended = project.socialmart("psql", PGHOST="127.0.0.1")
    assert ended.code == 1
    assert ended.output.startswith("socialmart: psql: not on PATH; install PostgreSQL's client programs")


def test_unknown_batch__is_said_with_the_ones_there_are(project):
    ran = project.run("RunAll", "--RunAll-batch", "2027-01-01")
    assert ran.code == 30
    assert "no batch 2027-01-01; expected one of: 2026-01-01, 2026-01-02" in ran.output


def test_secrets__are_in_no_log_and_no_checkpoint(project):
    project.run(PGPASSWORD="never-to-be-seen", SOME_TOKEN="never-to-be-seen")
    for folder in (project.folder / "logs", project.checkpoints):
        for path in folder.rglob("*"):
            if path.is_file():
                assert b"never-to-be-seen" not in path.read_bytes(), path


def test_run__is_recorded_with_its_stages(project):
    [(run, finished, outcome, login, command, versions)] = project.rows(
        "select run_id, finished_at, outcome, login, command, versions from etl.runs order by started_at limit 1"
    )
    assert finished < datetime.now(UTC)
    assert (outcome, login, command) == ("done", getpass.getuser(), "--module luigi_tasks RunAll")
    assert versions["postgresql"].startswith("18.")
    assert versions["luigi"] == importlib.metadata.version("luigi")
    stages = project.rows(
        "select stage, batches, rows, outcome from etl.stages where run_id = %s order by started_at", run
    )
    both = ["2026-01-01", "2026-01-02"]
    assert stages[:2] == [("Extract", both, 4, "done"), ("Clean", both, 12, "done")]
    assert ("Load posts", both, 4, "done") in stages
    assert [stage for stage, *_ in stages[-4:]] == ["DbtRun", "DbtTest", "Publish", "Report"]


def test_run__leaves_a_log_a_stage_of_lines_of_json(project):
    project.rows("delete from etl.table_updates where target_table = 'candidates'")
    project.rows("delete from etl.table_updates where target_table = 'raw_data.posts' and batch = '2026-01-01'")
    assert run(project) == ["DbtRun", "DbtTest", "Load posts 2026-01-01", "Publish", "Report"]
    newest = max((project.folder / "logs").iterdir())
    assert {path.stem for path in newest.glob("*.jsonl")} == {
        "journal",
        "Load_posts",
        "DbtRun",
        "DbtTest",
        "Publish",
        "Report",
    }
    lines = [json.loads(line) for line in (newest / "Load_posts.jsonl").read_text().splitlines()]
    assert {line["run"] for line in lines} == {newest.name}
    assert [line["message"].split(": ")[1].split(",")[0] for line in lines] == ["started", "done"]


def test_sessions__are_known_to_the_server_by_their_run(project):
    project.rows("create table seen (relation text, name text)")
    look = "insert into public.seen values (tg_relid::regclass, current_setting('application_name'))"
    body = f"begin {look}; return null; end"
    project.rows(f"create function public.look() returns trigger language plpgsql as $$ {body} $$")
    for table in ("core.dim_users", "etl.table_updates"):
        project.rows(f"create trigger look after insert on {table} execute function public.look()")
    project.land("2026-01-02/part-1.json", [document("ben", 6), document("cyd", 7)])
    assert "DbtRun" in run(project)
    newest = max((project.folder / "logs").iterdir()).name
    name = f"socialmart {newest}"
    assert set(project.rows("table seen")) == {("core.dim_users", name), ("etl.table_updates", name)}
    project.rows("drop function public.look() cascade; drop table seen")
    project.land("2026-01-02/part-1.json", NEW)
    run(project)


def test_run_that_failed__is_recorded_too(project):
    test = project.folder / "dbt_project" / "tests" / "never_right.sql"
    test.write_text("select 1 as wrong\n")
    assert project.run().code == 30
    test.unlink()
    failed = "select outcome from etl.stages where run_id = etl.runs.run_id and stage = 'DbtTest'"
    last = project.rows(f"select outcome, ({failed}) from etl.runs order by started_at desc limit 1")
    assert last == [("failed", "failed")]
    assert run(project) == []


def test_slow_stage__is_named_in_the_log_and_the_summary(project):
    project.rows("update etl.stages set seconds = 0.001, rows = null where stage = 'DbtTest'")
    project.rows(
        "insert into etl.stages select 'earlier ' || number, 'DbtTest', '{}', now() - interval '1 h', 0.001, null, "
        "'done' from generate_series(1, 20) as number"
    )
    project.rows("delete from etl.table_updates where target_table = 'candidates tested'")
    test = project.folder / "dbt_project" / "tests" / "slow.sql"
    test.write_text("select 1 from pg_sleep(2.5) as slept where slept is null\n")
    ran = project.run()
    assert ran.code == 0
    said = re.compile(r"DbtTest took \d+\.\d s; 0\.0 s are usual for as many rows")
    assert said.search(ran.output)
    summary = project.socialmart("summary").output
    assert said.search(summary)
    assert "usual 0.0 s" in summary
    assert said.fullmatch(json.loads(project.socialmart("summary", "--json").output)["remarks"][0])
    project.rows("delete from etl.stages where run_id like 'earlier%'")
    test.unlink()
    run(project)
