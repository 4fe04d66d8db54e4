"""A warehouse belongs to one project; a batch whose export was archived is loaded from its checkpoints."""

import shutil
from pathlib import Path

import pytest
from project import MakeProject, Project

REFUSED = (
    "the warehouse belongs to the project with the checkpoints {} on {}, since {}; this one's are {}; nothing was "
    "changed; set PGDATABASE to a database of its own, or run socialmart take-over to have this project load it from "
    "now on"
)


def export(*names: str) -> list[dict[str, object]]:
    return [{"user_id": name, "posts": [{"post_id": f"post of {name}"}]} for name in names]


def read_mart(project: Project) -> list[str]:
    return [name for (name,) in project.rows("select user_id from marts_personal.user_engagement_mart order by 1")]


def read_all(project: Project) -> tuple[object, ...]:
    """Everything that a run of another project could change: rows, markers, the claim, the journal of runs."""
    tables = ("raw_data.users", "raw_data.posts", "etl.table_updates", "etl.project", "etl.runs", "etl.remarks")
    rows = [sorted(project.rows(f"select * from {table}"), key=repr) for table in tables]
    return (*rows, project.marts())


def delete_batch(project: Project, batch: str) -> None:
    """Have the warehouse be as if the batch had never been loaded."""
    tables = project.rows("select distinct target_table from etl.table_updates where batch = %s", batch)
    for (table,) in tables:
        if table.startswith("raw_data."):
            project.rows(f"delete from {table} where batch = %s", batch)
    project.rows("delete from etl.table_updates where batch = %s", batch)


@pytest.fixture(scope="module")
def archived(make_project: MakeProject) -> Project:
    """A project with a dump of its warehouse from before the batch `later`, whose export has left the folder since."""
    made = make_project()
    made.land("early.json", export("ann", "ben"))
    assert made.run().code == 0
    dumped = made.socialmart("pg_dump", "-Fc", "-f", "early.dump")
    assert dumped.code == 0, dumped.output
    later = made.land("later.json", export("ben", "cyd"))
    assert made.run().code == 0
    later.rename(made.folder / "later.json")
    assert made.run().code == 0
    return made


def restore_early(project: Project) -> None:
    restored = project.socialmart(
        "pg_restore", "-d", "warehouse", "--clean", "--if-exists", "--exit-on-error", "early.dump"
    )
    assert restored.code == 0, restored.output


def test_run__loads_an_archived_batch_that_an_older_backup_lacks(archived):
    marts = archived.marts()
    restore_early(archived)
    assert read_mart(archived) == ["ann", "ben"]
    ran = archived.run()
    assert ran.code == 0, ran.output
    assert archived.marts() == marts
    assert read_mart(archived) == ["ann", "ben", "cyd"]
    assert "started" not in archived.run().output.replace("started PostgreSQL", ""), "then all is up to date"


def test_run__loads_an_archived_batch_whose_rows_and_markers_were_deleted(archived):
    marts = archived.marts()
    delete_batch(archived, "later")
    explained = archived.socialmart("explain").output
    assert "    Audit later: its marker is missing\n" in explained
    assert "DbtRun   0 of 1 up to date, 1 after the stages above\n" in explained
    ran = archived.run()
    assert ran.code == 0, ran.output
    assert archived.rows("select user_id from raw_data.users where batch = 'later' order by 1") == [("ben",), ("cyd",)]
    assert archived.marts() == marts


def test_run__leaves_out_an_archived_batch_whose_checkpoints_were_deleted(archived):
    restore_early(archived)
    for stage in ("extract", "clean", "audit"):
        shutil.rmtree(archived.checkpoints / stage / "later")
    ran = archived.run()
    assert ran.code == 0, ran.output
    assert read_mart(archived) == ["ann", "ben"]


@pytest.fixture(scope="module")
def owner(make_project: MakeProject) -> Project:
    """A project that has loaded its warehouse."""
    made = make_project()
    made.land("same.json", export("ann", "ben"))
    assert made.run().code == 0
    return made


@pytest.fixture(scope="module")
def other(make_project: MakeProject, owner: Project) -> Project:
    """Another project on the same warehouse, with another batch of the same name."""
    made = make_project({"warehouse": {"embedded_folder": owner.folder / "postgres"}})
    made.land("same.json", export("dot"))
    return made


def refusal(owner: Project, project: Project) -> str:
    [(host, since)] = owner.rows("select host, to_char(since, 'YYYY-MM-DD') from etl.project")
    return REFUSED.format(owner.checkpoints, host, since, project.checkpoints)


def test_run__refuses_the_warehouse_of_another_project_before_it_changes_anything(owner, other):
    before = read_all(owner)
    for _ in range(2):
        ran = other.run()
        assert ran.code not in (0, 10), ran.output
        assert refusal(owner, other) in ran.output
        assert "Traceback" not in ran.output
    assert read_all(owner) == before
    ran = owner.run()
    assert (ran.code, read_mart(owner)) == (0, ["ann", "ben"])


def test_run__keeps_the_claim_when_the_checkpoints_were_deleted(owner, other):
    shutil.rmtree(owner.checkpoints)
    ran = owner.run()
    assert ran.code == 0, ran.output
    assert read_mart(owner) == ["ann", "ben"]
    assert refusal(owner, other) in other.run().output


def test_take_over__hands_the_warehouse_to_another_project(owner, other):
    taken = other.socialmart("take-over")
    assert taken.code == 0, taken.output
    assert f"the warehouse belongs to the project with the checkpoints {other.checkpoints} now" in taken.output
    ran = other.run()
    assert ran.code == 0, ran.output
    assert read_mart(owner) == ["dot"]
    ran = owner.run()
    assert ran.code not in (0, 10), ran.output
    assert REFUSED.split("{}")[0] + str(other.checkpoints) in ran.output
    assert read_mart(owner) == ["dot"]


def move(project: Project, folder: Path) -> None:
    project.folder.rename(folder)
    project.folder, project.landing, project.checkpoints = folder, folder / "landing", folder / "checkpoints"


def test_run__keeps_the_claim_of_a_project_that_moved(owner, other):
    move(other, other.folder.with_name("moved"))
    other.land("new.json", export("eve"))
    ran = other.run()
    assert ran.code == 0, ran.output
    assert read_mart(owner) == ["dot", "eve"]
