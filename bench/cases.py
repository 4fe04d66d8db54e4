"""The cases: what is measured, each a function that prepares its state and runs one child.

Cases of a round stand in the order in which each finds the state that the one before it has left. A case that is
run alone brings its state about first, unmeasured. The long cases are measured once, after the rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measurement
from bench.project import Project, remove, run_floor
from bench.workload import Export, Workload

ONE_PERCENT = 100
DAYS = 365
BATCHES = 1_000


class Bench:
    """What the cases share: the landing files, the scratch folder, and the state that the case before has left."""

    def __init__(self, workload: Workload, scratch: Path, note: Callable[[str], None]) -> None:
        self.workload, self.scratch, self._note = workload, scratch, note
        self._projects: dict[str, Project] = {}

    def from_empty(self, name: str, export: Export) -> Measurement:
        """Run on an export in a fresh project of this name, in place of the one there was."""
        self._projects[name] = Project(self.scratch / name)
        self._projects[name].land(export)
        return self._projects[name].run()

    def holding(self, name: str, load: Callable[["Bench"], Measurement]) -> Project:
        """The project of this name, which `load` makes where it is not there yet."""
        if name not in self._projects:
            self._note(f"loading {name} first")
            load(self)
        return self._projects[name]

    def forget(self) -> None:
        """Delete all state, also what an earlier run has left."""
        self._projects.clear()
        for folder in self.scratch.glob("*"):
            remove(folder)


@dataclass(frozen=True)
class Case:
    """A case; its seconds are held against those of the case `against`."""

    name: str
    title: str
    run: Callable[[Bench], Measurement]
    against: str | None = "cold"
    long: bool = False


def _floor(bench: Bench) -> Measurement:
    return run_floor(bench.scratch / "floor", bench.workload.reference())


def _cold(bench: Bench) -> Measurement:
    return bench.from_empty("reference", bench.workload.reference())


def _nothing(bench: Bench) -> Measurement:
    return bench.holding("reference", _cold).run()


def _new_batch(bench: Bench) -> Measurement:
    project = bench.holding("reference", _cold)
    project.land(bench.workload.one_more(ONE_PERCENT))
    return project.run()


def _corrected_batch(bench: Bench) -> Measurement:
    project = bench.holding("reference", _cold)
    new = bench.workload.one_more(ONE_PERCENT)
    if not project.landed.keys() >= new.files.keys():
        project.land(new)
        project.run()
    project.land(bench.workload.corrected(ONE_PERCENT))
    return project.run()


def _model(bench: Bench) -> Measurement:
    project = bench.holding("reference", _cold)
    with (project.dbt_project / "models" / "marts" / "tag_analysis_mart.sql").open("a", encoding="utf-8") as file:
        file.write("\n-- changed\n")
    return project.run()


def _tenfold(bench: Bench) -> Measurement:
    return bench.from_empty("tenfold", bench.workload.tenfold())


def _year(bench: Bench) -> Measurement:
    return bench.from_empty("year", bench.workload.in_batches(DAYS))


def _many(bench: Bench) -> Measurement:
    return bench.from_empty("many", bench.workload.in_batches(BATCHES))


def _many_nothing(bench: Bench) -> Measurement:
    return bench.holding("many", _many).run()


def _many_one_more(bench: Bench) -> Measurement:
    project = bench.holding("many", _many)
    project.land(bench.workload.one_more(BATCHES, after=BATCHES))
    return project.run()


def _one_alone(bench: Bench) -> Measurement:
    return bench.from_empty("alone", bench.workload.one_more(BATCHES))


CASES = {
    case.name: case
    for case in (
        Case("floor", "the same marts by the shortest way", _floor, None),
        Case("cold", "from empty checkpoints and an empty warehouse", _cold, "floor"),
        Case("nothing", "nothing to do", _nothing),
        Case("new", "one new batch of 1%", _new_batch),
        Case("corrected", "that batch replaced, some values changed", _corrected_batch),
        Case("model", "one mart's model changed", _model),
        Case("tenfold", "ten times the data, from empty", _tenfold, long=True),
        Case("year", f"the same data in {DAYS} daily batches, from empty", _year, long=True),
        Case("many", f"the same data in {BATCHES:,} batches, from empty", _many, long=True),
        Case("many-nothing", f"{BATCHES:,} batches loaded, nothing to do", _many_nothing, long=True),
        Case("many-more", f"{BATCHES:,} batches loaded, one more", _many_one_more, "alone", long=True),
        Case("alone", "that one batch on an empty warehouse", _one_alone, long=True),
    )
}
