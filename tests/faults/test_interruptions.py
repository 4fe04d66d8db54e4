"""A run that is interrupted, at any point: SIGKILL of its process group, SIGTERM of Luigi, Ctrl-C."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from conftest import ALL
from world import World

SECONDS_TO_COME = 60


def said(text: str) -> Callable[[World], bool]:
    return lambda world: text in world.said()


def staged(pattern: str) -> Callable[[World], bool]:
    return lambda world: any(world.project.checkpoints.glob(f".staging/{pattern}"))


def published(name: str) -> Callable[[World], bool]:
    return lambda world: (world.project.checkpoints / name).exists()


def logged(log: str, text: str) -> Callable[[World], bool]:
    return lambda world: text in world.log(log)


def asked(query: str) -> Callable[[World], bool]:
    return lambda world: bool(
        world.peek(f"select 1 from pg_stat_activity where state = 'active' and query like '{query}'")
    )


def loaded(table: str) -> Callable[[World], bool]:
    return lambda world: bool(
        world.peek(f"select 1 from etl.table_updates where target_table = 'raw_data.{table}' and batch = '2026-01-02'")
    )


POINTS: dict[str, Callable[[World], bool]] = {
    "Spark starts": lambda world: any(world.log("spark.log")) or said("Extract")(world),
    "Extract begins": said("Extract 2026-01-01 and 1 more: started"),
    "Extract writes a part": staged("extract-*/unfinished/*"),
    "Extract has written a part": staged("extract-*/batch_no=*/documents/*"),
    "Extract publishes": staged("extract-*/publish-*"),
    "Extract has published a batch": published("extract/2026-01-02"),
    "Clean begins": said("Clean 2026-01-01 and 1 more: started"),
    "Clean writes a part": staged("clean-*/unfinished/*"),
    "Clean has written a part": staged("clean-*/batch_no=*/users/*"),
    "Clean publishes": staged("clean-*/publish-*"),
    "Clean has published a batch": published("clean/2026-01-02"),
    "Audit begins": said("Audit 2026-01-01 and 1 more: started"),
    "Audit has published a batch": published("audit/2026-01-02"),
    "Load begins": said("Load posts 2026-01-01 and 1 more: started"),
    "Load replaces a batch": asked("with gone as (delete from raw_data%"),
    "Load copies": asked("copy raw_data.%"),
    "Load has loaded a table": loaded("users"),
    "dbt begins": said("DbtRun: started"),
    "dbt has found what was touched": logged("dbt_run.log", "OK created sql incremental model staging.touched_keys"),
    "dbt makes fact_comments": logged("dbt_run.log", "START sql incremental model core.fact_comments"),
    "dbt makes post_engagement": logged("dbt_run.log", "START sql incremental model intermediate.post_engagement"),
    "dbt has made a mart": logged("dbt_run.log", "OK created sql table model marts.location_analysis_mart"),
    "dbt has run": said("DbtRun: done"),
    "dbt tests": logged("dbt_test.log", "START test"),
    "dbt has tested": said("DbtTest: done"),
}
SLOW = {"Load replaces a batch": "delete", "Load copies": "insert"}
"""Points that are too short to be met."""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
EACH = [(point, number) for point in POINTS for number in SIGNALS]
SOME = [(point, SIGNALS[place % 3]) for place, point in enumerate(POINTS)]
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10_000))
MOMENTS = 80 if ALL else 3


@pytest.mark.parametrize(("point", "number"), EACH if ALL else SOME, ids=lambda value: getattr(value, "name", value))
def test_interrupted_run__is_made_good_by_the_next(world: World, point: str, number: signal.Signals):
    world.reset()
    if point in SLOW:
        world.slow_down("raw_data.comments", SLOW[point])
    process = world.start()
    _wait_for(POINTS[point], world, process)
    _interrupt(world, process, number)


@pytest.mark.parametrize("moment", range(MOMENTS), ids=lambda moment: f"seed{SEED}-{moment}")
def test_run_interrupted_at_any_moment__is_made_good_by_the_next(world: World, moment: int):
    chance = random.Random(SEED * 1000 + moment)
    world.reset()
    process = world.start()
    time.sleep(chance.uniform(0.2, 9))
    _interrupt(world, process, chance.choice(SIGNALS))


def _interrupt(world: World, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    ended = world.interrupt(process, number)
    assert ended.left == [], ended.output
    assert "Traceback" not in ended.output, ended.output
    if ended.output and number != signal.SIGKILL and "RunAll: " not in ended.output:
        assert ended.code == 128 + number
    world.must_be_whole_and_recover(f"{number.name}")


def _wait_for(comes: Callable[[World], bool], world: World, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_COME
    while not comes(world):
        assert process.poll() is None and time.monotonic() < deadline, f"the point did not come: {world.said()}"
        time.sleep(0.005)
