"""What happens around a run: the server, the disk, other runs, Spark's processes, the landing folder, the clock."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2
import pytest
from points import POINTS, said, wait_for
from project import Process, free_ports
from world import FIRST, SECOND, World

from luigi_tasks.spark import local_cluster

LUIGI_FAILED = 30
RUNNING_ALREADY = 10
SECONDS_TO_END = 120
WORKERS = 2
SECOND_ALONE = ("RunAll", "--RunAll-batch", Path(SECOND).stem)
"""A run without the other batch, which goes through to the marts whatever holds this one up."""


def end(world: World, process: Process) -> int:
    """The exit code of a run that ends by itself, without a traceback."""
    code = process.wait(SECONDS_TO_END)
    assert "Traceback" not in world.said(), world.said()
    return code


# the server


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
@pytest.mark.parametrize(
    ("point", "table", "event"),
    [
        ("Load copies", "raw_data.comments", "insert"),
        ("Load replaces a batch", "raw_data.comments", "delete"),
        ("dbt makes fact_comments", "core.fact_comments", "insert"),
        ("dbt tests", "", ""),
        ("Publish copies", "published.int_user_engagement", "insert"),
    ],
)
def test_server_killed__loses_nothing(world: World, point: str, table: str, event: str, victim: str):
    world.reset()
    if table:
        world.slow_down(table, event)
    process = world.start()
    wait_for(POINTS[point], world, process)
    os.kill(world.postmaster() if victim == "postmaster" else world.backend(), signal.SIGKILL)
    assert end(world, process) in (0, LUIGI_FAILED)
    world.must_be_whole_and_recover(f"PostgreSQL: {victim} killed, {point}")


@pytest.mark.parametrize(
    ("setting", "undone", "refusal"),
    [
        (
            "set default_transaction_read_only = on",
            "reset default_transaction_read_only",
            "read-only",
        ),
        (
            "with allow_connections false",
            "with allow_connections true",
            "not currently accepting",
        ),
    ],
    ids=["read-only", "refuses logins"],
)
def test_server_that_takes_nothing__is_named(world: World, setting: str, undone: str, refusal: str):
    world.reset()
    world.administer(f"alter database warehouse {setting}")
    process = world.start()
    assert end(world, process) != 0
    assert refusal in world.said()
    world.administer(f"alter database warehouse {undone}")
    world.must_be_whole_and_recover(f"PostgreSQL: {refusal}")


def test_lock_held_by_somebody__ends_the_run_after_a_while(world: World):
    world.reset()
    world.project.set({"warehouse": {"lock_timeout": 1}})
    with world.session() as cursor:
        cursor.execute("begin; lock table raw_data.posts in access exclusive mode")
        process = world.start()
        assert end(world, process) == LUIGI_FAILED
    assert "holds AccessExclusiveLock on raw_data.posts" in world.said()
    world.must_be_whole_and_recover("PostgreSQL: a lock is held")


def test_connections_used_up_by_others__are_waited_for(world: World):
    world.reset()
    process = world.start()
    wait_for(POINTS["Clean begins"], world, process)
    with ExitStack() as others:
        others.enter_context(world.session())
        while "the server has no free connection" not in world.said():
            assert process.poll() is None
            with contextlib.suppress(psycopg2.OperationalError):  # all are taken; the run may give back some
                others.enter_context(world.another_session())
    assert end(world, process) == 0
    world.must_be_whole_and_recover("PostgreSQL: no connection left")


# the disk


@pytest.mark.parametrize(("stage", "megabytes"), [("Extract", 0.2), ("Clean", 1.2)])
def test_disk_full_of_checkpoints__is_named(world: World, stage: str, megabytes: float):
    world.reset()
    with full_disk(world.project.checkpoints, megabytes):
        process = world.start()
        assert end(world, process) == LUIGI_FAILED
        assert "No space left on device" in world.said()
        assert f"{stage} 2026-01-01 and 1 more: started" in world.said()
    world.must_be_whole_and_recover(f"disk full: {stage}")


def test_disk_full_of_the_warehouse__is_named(world: World):
    world.reset()
    with full_disk(world.project.folder / "postgres", 4):
        process = world.start()
        assert end(world, process) == LUIGI_FAILED
        assert "No space left on device" in world.said()
        world.stop_server()
    world.must_be_whole_and_recover("disk full: warehouse")


def test_checkpoints_that_cannot_be_written__are_named(world: World):
    world.reset()
    with full_disk(world.project.checkpoints, 50, "ro"):
        process = world.start()
        assert end(world, process) != 0
        assert "Read-only file system" in world.said()
    world.must_be_whole_and_recover("checkpoints: read-only")


@contextmanager
def full_disk(folder: Path, megabytes: float, mode: str = "rw") -> Iterator[None]:
    """The folder on a file system of its own, on which so much is free; afterwards it is an ordinary one again."""
    used = int(subprocess.run(["du", "-sk", folder], capture_output=True, check=True).stdout.split()[0])
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    size = int(used * 1.02 + megabytes * 1024)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode != 0:
        folder.rmdir()
        aside.rename(folder)
        pytest.skip(f"file systems of a size can only be made by root: {made.stderr.decode()}")
    try:
        subprocess.run(["cp", "-aT", aside, folder], check=True)
        subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)
        yield
        subprocess.run(["rm", "-rf", aside], check=True)
        subprocess.run(["cp", "-aT", folder, aside], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()
        aside.rename(folder)


# checkpoints that were damaged after they were completed


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("stage", ["extract", "clean"])
@pytest.mark.parametrize("damage", [truncate, change_a_byte, Path.unlink, empty], ids=lambda damage: damage.__name__)
def test_damaged_part__is_made_again_or_named(world: World, stage: str, damage):
    world.reset()
    process = world.start()
    wait_for(
        POINTS["Clean has published a batch"] if stage == "clean" else POINTS["Extract has published a batch"],
        world,
        process,
    )
    world.interrupt(process, signal.SIGTERM)
    damage(next((world.project.checkpoints / stage / "2026-01-02").rglob("*.parquet")))
    process = world.start()
    code = end(world, process)
    if damage is change_a_byte:
        assert code == LUIGI_FAILED
        assert "is not what its manifest says; delete the folder" in world.said()
        subprocess.run(["rm", "-r", world.project.checkpoints / stage / "2026-01-02"], check=True)
    else:
        assert code == 0
    world.must_be_whole_and_recover(f"checkpoint: {damage.__name__}")


def test_empty_manifest__makes_its_stage_run_again(world: World):
    world.reset()
    process = world.start()
    wait_for(POINTS["Clean has published a batch"], world, process)
    world.interrupt(process, signal.SIGTERM)
    (world.project.checkpoints / "clean" / "2026-01-02" / "manifest.json").write_bytes(b"")
    assert end(world, world.start()) == 0
    world.must_be_whole_and_recover("checkpoint: empty manifest")


# others


@pytest.mark.parametrize("other", ["RunAll", "Extract --Extract-batch 2026-01-02", "DbtRun"])
@pytest.mark.parametrize("point", ["Extract begins", "Load begins", "dbt begins"])
def test_second_run__leaves_the_first_alone(world: World, point: str, other: str):
    world.reset()
    process = world.start()
    wait_for(POINTS[point], world, process)
    assert world.project.run(*other.split()).code == RUNNING_ALREADY
    assert end(world, process) == 0
    world.must_be_whole_and_recover("two runs at once")


def test_two_runs_through_luigid__do_everything_once(world: World):
    world.reset()
    with luigid(world.project.folder / "luigid") as port:
        world.project.set({"core": {"default_scheduler_port": port}, "dashboard": {"use": "always"}})
        process = world.start()
        codes = [world.project.run().code, end(world, process)]
        assert sorted(codes) == [0, RUNNING_ALREADY], "one of them, whichever was first, did it all"
        world.must_be_whole_and_recover("two runs at once, luigid")


@contextmanager
def luigid(folder: Path) -> Iterator[int]:
    folder.mkdir()
    port = 18_082
    command = [Path(sys.executable).with_name("luigid"), "--port", str(port), "--address", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--state-path", folder / "state"], stdout=log, stderr=log, cwd=folder)
    try:
        time.sleep(2)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("victim", ["pyspark.daemon", "org.apache.spark", "luigi_tasks.dbt.service"])
def test_child_killed__is_named(world: World, victim: str):
    """As the kernel does when memory runs out."""
    world.reset()
    process = world.start()
    point = "dbt makes fact_comments" if "dbt" in victim else "Extract has written a part"
    wait_for(POINTS[point], world, process)
    for number in world.processes(victim):
        os.kill(number, signal.SIGKILL)
    assert end(world, process) in (0, LUIGI_FAILED)
    world.must_be_whole_and_recover(f"killed: {victim}")


def test_executor_killed__is_made_up_for(world: World):
    world.reset()
    port = free_ports(WORKERS + 2)
    logs = world.project.folder / "cluster"
    properties = local_cluster.find_properties(logs)
    world.project.set({"spark": {"master": f"spark://{local_cluster.HOST}:{port}", "properties_file": properties}})
    with local_cluster.running(port, WORKERS, cores=1, memory="1g", logs=logs) as (
        _,
        *workers,
    ):
        process = world.start()
        wait_for(POINTS["Extract writes a part"], world, process)
        parents = ",".join(str(worker.pid) for worker in workers)
        found = subprocess.run(["pgrep", "-P", parents, "-f", "ExecutorBackend"], capture_output=True, check=True)
        os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
        assert end(world, process) == 0
        assert "Lost executor" in world.log("spark.log")
        world.must_be_whole_and_recover("Spark: an executor killed")


def test_memory_short_of_a_python_worker__is_named(world: World):
    world.reset()
    world.project.set({"spark": {"conf": "spark.ui.enabled=false|spark.executor.pyspark.memory=150m"}})
    process = world.start()
    assert end(world, process) == LUIGI_FAILED
    assert "Python has not enough memory beside Java" in world.said()
    world.project.set({"spark": {"conf": "spark.ui.enabled=false"}})
    world.must_be_whole_and_recover("Spark: Python is short of memory")


# the landing folder and the clock


def test_file_that_changes_while_it_is_read__stops_the_run(world: World):
    world.reset()
    path = world.project.landing / SECOND
    content = path.read_bytes()
    process = world.start(*SECOND_ALONE)
    wait_for(said("Extract 2026-01-02: started"), world, process)
    time.sleep(0.5)
    path.write_bytes(json.dumps(json.loads(content)[:-1]).encode())
    code = end(world, process)
    assert code == LUIGI_FAILED
    assert f"{SECOND}: changed while it was read: write it as NAME.tmp" in world.said()
    path.write_bytes(content)
    world.must_be_whole_and_recover("landing: changes while it is read", stopped=Path(SECOND).stem)


@pytest.mark.parametrize("point", ["Clean begins", "Load begins", "dbt begins"])
def test_file_that_changes_once_it_was_read__is_the_next_run_s(world: World, point: str):
    world.reset()
    path = world.project.landing / SECOND
    content = path.read_bytes()
    process = world.start()
    wait_for(POINTS[point], world, process)
    path.write_bytes(json.dumps(json.loads(content)[:-1]).encode())
    assert end(world, process) == 0
    assert world.state() == world.after
    ran = world.project.run()
    assert ran.code == 0
    assert "Extract 2026-01-02: done, 599 rows" in ran.output
    path.write_bytes(content)
    assert world.project.run().code == 0
    world.must_be_whole_and_recover("landing: changes once it was read")


def test_file_that_vanishes_while_it_is_read__stops_the_run(world: World):
    world.reset()
    path = world.project.landing / SECOND
    process = world.start(*SECOND_ALONE)
    wait_for(said("Extract 2026-01-02: started"), world, process)
    time.sleep(0.5)
    path.rename(path.with_name(".gone"))
    assert end(world, process) == LUIGI_FAILED
    path.with_name(".gone").rename(path)
    world.must_be_whole_and_recover("landing: vanishes while it is read", stopped=Path(SECOND).stem)


@pytest.mark.parametrize("point", ["Extract begins", "Clean begins", "Load begins", "dbt begins"])
def test_file_that_appears_during_a_run__is_the_next_one_s(world: World, point: str):
    world.reset()
    process = world.start()
    wait_for(POINTS[point], world, process)
    late = world.project.land("2026-01-03.json", [{"user_id": "late"}])
    assert end(world, process) == 0
    late.unlink()
    world.must_be_whole_and_recover("landing: appears during a run")


def test_clock_that_was_set_back__changes_nothing(world: World):
    world.reset()
    tomorrow = time.time() + 86_400
    for path in [world.project.folder, *world.project.folder.rglob("*")]:
        if not path.is_symlink() and "postgres" not in path.parts:
            os.utime(path, (tomorrow, tomorrow))
    for run in (world.project.folder / "logs").iterdir():
        run.rename(run.with_name("2999" + run.name[4:]))
    os.utime(world.project.landing / FIRST, (0, 0))
    assert end(world, world.start()) == 0
    world.must_be_whole_and_recover("clock: set back")
