"""The cases: what is measured. Each prepares its state, then runs and measures one child.

The cases of a round are in an order in which each finds the state that the one before it left. A case that is run alone
creates its state first, unmeasured. The long cases are measured once, after the rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measurement
from bench.project import Project, remove_folder, run_floor
from bench.workload import Export, Workload

ONE_PERCENT = 100
"""A new batch has this fraction of the users: 1/100."""
DAYS = 365
BATCHES = 1_000


class Bench:
    """What the cases share: the landing files, the scratch folder, and the projects that earlier cases left."""

    def __init__(self, workload: Workload, scratch: Path, print_note: Callable[[str], None]) -> None:
        self.workload = workload
        self.scratch = scratch
        self._print_note = print_note
        self._projects: dict[str, Project] = {}

    def run_from_empty(self, name: str, export: Export) -> Measurement:
        """Run the pipeline on an export in a new project of this name, replacing the old one."""
        self._projects[name] = Project(self.scratch / name)
        self._projects[name].land_export(export)
        return self._projects[name].run_pipeline()

    def get_project(self, name: str, load: Callable[["Bench"], Measurement]) -> Project:
        """Return the project of this name, after running the case `load` if there is none yet."""
        if name not in self._projects:
            self._print_note(f"loading {name} first")
            load(self)
        return self._projects[name]

    def delete_state(self) -> None:
        """Delete all projects, also those of earlier runs of the benchmark."""
        self._projects.clear()
        for folder in self.scratch.glob("*"):
            remove_folder(folder)


@dataclass(frozen=True)
class Case:
    """A case. Its seconds are divided by those of the case `against`; a `long` one is measured once."""

    name: str
    title: str
    run: Callable[[Bench], Measurement]
    against: str | None = "cold"
    long: bool = False


def _run_floor(bench: Bench) -> Measurement:
    return run_floor(bench.scratch / "floor", bench.workload.make_reference())


def _run_cold(bench: Bench) -> Measurement:
    return bench.run_from_empty("reference", bench.workload.make_reference())


def _run_nothing(bench: Bench) -> Measurement:
    return bench.get_project("reference", _run_cold).run_pipeline()


def _run_new_batch(bench: Bench) -> Measurement:
    project = bench.get_project("reference", _run_cold)
    project.land_export(bench.workload.make_new_batch(ONE_PERCENT))
    return project.run_pipeline()


def _run_corrected_batch(bench: Bench) -> Measurement:
    project = bench.get_project("reference", _run_cold)
    new = bench.workload.make_new_batch(ONE_PERCENT)
    if not project.landed.keys() >= new.files.keys():
        project.land_export(new)
        project.run_pipeline()
    project.land_export(bench.workload.make_corrected_batch(ONE_PERCENT))
    return project.run_pipeline()


def _run_changed_model(bench: Bench) -> Measurement:
    """Measure a run after a change of one model that dbt sees as a change of its code."""
    project = bench.get_project("reference", _run_cold)
    with (project.dbt_project / "models" / "marts" / "tag_analysis_mart.sql").open("a", encoding="utf-8") as file:
        file.write("\n-- changed\n")
    return project.run_pipeline()


def _run_tenfold(bench: Bench) -> Measurement:
    return bench.run_from_empty("tenfold", bench.workload.make_tenfold())


def _run_year(bench: Bench) -> Measurement:
    return bench.run_from_empty("year", bench.workload.make_batches(DAYS))


def _run_many(bench: Bench) -> Measurement:
    return bench.run_from_empty("many", bench.workload.make_batches(BATCHES))


def _run_many_nothing(bench: Bench) -> Measurement:
    return bench.get_project("many", _run_many).run_pipeline()


def _run_many_more(bench: Bench) -> Measurement:
    project = bench.get_project("many", _run_many)
    project.land_export(bench.workload.make_new_batch(BATCHES, after=BATCHES))
    return project.run_pipeline()


def _run_alone(bench: Bench) -> Measurement:
    return bench.run_from_empty("alone", bench.workload.make_new_batch(BATCHES))


CASES = {
    case.name: case
    for case in (
        Case("floor", "the same marts by the shortest way", _run_floor, None),
        Case("cold", "from empty checkpoints and an empty warehouse", _run_cold, "floor"),
        Case("nothing", "nothing to do", _run_nothing),
        Case("new", "one new batch of 1%", _run_new_batch),
        Case("corrected", "that batch replaced, some values changed", _run_corrected_batch),
        Case("model", "one mart's model changed", _run_changed_model),
        Case("tenfold", "ten times the data, from empty", _run_tenfold, long=True),
        Case("year", f"the same data in {DAYS} daily batches, from empty", _run_year, long=True),
        Case("many", f"the same data in {BATCHES:,} batches, from empty", _run_many, long=True),
        Case("many-nothing", f"{BATCHES:,} batches loaded, nothing to do", _run_many_nothing, long=True),
        Case("many-more", f"{BATCHES:,} batches loaded, one more", _run_many_more, "alone", long=True),
        Case("alone", "that one batch on an empty warehouse", _run_alone, long=True),
    )
}
