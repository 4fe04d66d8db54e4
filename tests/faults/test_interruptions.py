"""A run that is interrupted, at any point: SIGKILL of its process group, SIGTERM of Luigi, Ctrl-C."""

import os
import random
import signal
import time

import pytest
from points import POINTS, has_come
from project import Process
from world import ALL, World

SLOW = {
    "Load replaces a batch": ("raw_data.comments", "delete"),
    "Load copies": ("raw_data.comments", "insert"),
    "Publish copies": ("published.int_user_engagement", "insert"),
}
"""Points that are too short to be met, and the statements that have to be slowed down."""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
EACH = [(point, number) for point in POINTS for number in SIGNALS]
SOME = [(point, SIGNALS[place % 3]) for place, point in enumerate(POINTS)]
SEED = int(os.environ["FAULTS_SEED"])
MOMENTS = 80 if ALL else 3
ATTEMPTS = 3
"""Runs in which a point may be met."""


@pytest.mark.parametrize(("point", "number"), EACH if ALL else SOME, ids=lambda value: getattr(value, "name", value))
def test_interrupted_run__is_made_good_by_the_next(world: World, point: str, number: signal.Signals):
    _interrupt(world, _run_up_to(point, world), number)


def _run_up_to(point: str, world: World) -> Process:
    """A run that is at a point. Some last milliseconds, and are missed at times: then another run is started."""
    for _ in range(ATTEMPTS):
        world.reset()
        if point in SLOW:
            world.slow_down(*SLOW[point])
        process = world.start()
        if has_come(POINTS[point], world, process):
            return process
    raise AssertionError(f"the point did not come in {ATTEMPTS} runs: {world.said()}")


@pytest.mark.parametrize("moment", range(MOMENTS), ids=lambda moment: f"seed{SEED}-{moment}")
def test_run_interrupted_at_any_moment__is_made_good_by_the_next(world: World, moment: int):
    chance = random.Random(SEED * 1000 + moment)
    world.reset()
    process = world.start()
    time.sleep(chance.uniform(0.2, 9))
    _interrupt(world, process, chance.choice(SIGNALS))


def _interrupt(world: World, process: Process, number: signal.Signals) -> None:
    ended = world.interrupt(process, number)
    assert ended.left == [], ended.output
    if "/luigi_tasks/" in ended.output or " INFO " in ended.output:  # else Luigi itself was still being loaded
        assert "Traceback" not in ended.output, ended.output
    if ended.output and number != signal.SIGKILL and "RunAll: " not in ended.output:
        assert ended.code == 128 + number
    world.must_be_whole_and_recover(f"{number.name}")
