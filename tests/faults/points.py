"""Points of a run, each told by what it says, leaves or asks of the server."""

import glob
import time
from collections.abc import Callable

from project import Process
from world import World

SECONDS_TO_COME = 60


def said(text: str) -> Callable[[World], bool]:
    return lambda world: text in world.said()


def staged(pattern: str) -> Callable[[World], bool]:
    # pathlib's glob fails where the run deletes a folder under it
    return lambda world: any(glob.iglob(f".staging/{pattern}", root_dir=world.project.checkpoints))  # noqa: PTH207


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
    "dbt makes int_post_engagement": logged(
        "dbt_run.log", "START sql incremental model intermediate.int_post_engagement"
    ),
    "dbt has made a mart": logged("dbt_run.log", "OK created sql table model candidates.location_analysis_mart"),
    "dbt has run": said("DbtRun: done"),
    "dbt tests": logged("dbt_test.log", "START test"),
    "dbt has tested": said("DbtTest: done"),
    "Publish copies": asked("insert into published.int_user_engagement%"),
    "Publish has published": said("Publish: done"),
    "Report begins": said("Report: started"),
}


def wait_for(comes: Callable[[World], bool], world: World, process: Process) -> None:
    """Wait until a point has come. Raises AssertionError where the run ends before."""
    assert has_come(comes, world, process), f"the point did not come: {world.said()}"


def has_come(comes: Callable[[World], bool], world: World, process: Process) -> bool:
    """Wait until a point has come, or the run has ended, and return whether the point came."""
    deadline = time.monotonic() + SECONDS_TO_COME
    while not comes(world):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
