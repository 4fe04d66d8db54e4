"""Clean: a batch's documents to the tables users, posts, comments, rejected and issues."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luigi_tasks import config, fingerprints, paths
from luigi_tasks.spark import session
from luigi_tasks.stages.base import BatchStage, counted
from luigi_tasks.stages.extract import Extract
from luigi_tasks.stages.progress import timed
from luigi_tasks.targets import checkpoint
from luigi_tasks.targets.checkpoint import BuiltFrom, CheckpointTarget
from spark_jobs.schemas import ENTITY_TABLES, TABLES


class Clean(BatchStage):
    """Leaves the checkpoint `clean/BATCH`: users, posts, comments, rejected, issues, and the superseded records.

    The manifest holds the counts that Audit balances. A batch with a broken file has no tables, only the `fault`.
    """

    max_batch_size = property(lambda self: config.read_section(config.spark).max_batches)

    def requires(self) -> Extract:
        return self.clone(Extract)

    def output(self) -> CheckpointTarget:
        return CheckpointTarget("clean", self.batch)

    def built_from(self) -> BuiltFrom:
        return {
            "inputs": self.requires().output().manifest().get("content", ""),
            "code": fingerprints.of_program(paths.SPARK_JOBS / "clean.py", paths.PROJECT),
            "settings": fingerprints.of_value(_settings()),
        }

    def target_stale(self) -> str | None:
        return self.output().why_stale(self.built_from())

    def warm_up(self) -> None:
        session.start()

    def run(self) -> None:
        tasks = self.pending()
        broken = [task for task in tasks if task.requires().output().manifest()["fault"]]
        whole = [task for task in tasks if task not in broken]
        if not tasks:
            return
        with timed(self, counted(len(tasks))) as work, checkpoint.staging_folder("clean") as staging:
            for task in broken:
                fault = task.requires().output().manifest()["fault"]
                task.output().publish(staging, {}, {**_facts(task, {}, None), "fault": fault})
            if not whole:
                return
            result = session.ask("clean", _request(whole, str(staging)), work.tell)
            for number, (task, found) in enumerate(zip(whole, result["batches"], strict=True)):
                task.output().publish(staging, _parts(staging, number), _facts(task, _tables(found), found))
            work.rows = sum(table["rows"] for found in result["batches"] for table in _tables(found).values())


def _settings() -> dict[str, Any]:
    return {"impute_age": config.read_section(config.quality).fill_missing_age == "median"}


def _request(tasks: list[Clean], staging: str) -> dict[str, Any]:
    inputs = [task.requires().output() for task in tasks]
    for target in inputs:
        target.require_intact()
    return {
        "batches": [
            {"name": target.batch, "paths": [str(target.folder / "documents")] if _has_documents(target) else []}
            for target in inputs
        ],
        "staging": staging,
        "settings": _settings(),
    }


def _has_documents(target: CheckpointTarget) -> bool:
    return target.manifest()["tables"]["documents"]["rows"] > 0


def _parts(staging: Path, number: int) -> Mapping[str, Path]:
    """The checkpoint's folders and where they were built: what was accepted under the table's name, superseded
    records apart."""
    folders = [*TABLES, *(f"superseded/{table}" for table in ENTITY_TABLES.values())]
    return {folder: staging / f"batch_no={number}" / folder for folder in folders}


def _tables(found: dict[str, Any]) -> dict[str, Any]:
    nothing = {"rows": 0, "fingerprint": "0"}
    accepted = {
        ENTITY_TABLES[entity]: {name: outcomes.get("accepted", nothing)[name] for name in nothing}
        for entity, outcomes in found["outcomes"].items()
    }
    return {**accepted, **found["tables"]}


def _facts(task: Clean, tables: dict[str, Any], found: dict[str, Any] | None) -> dict[str, Any]:
    counts = {name: found[name] for name in ("read", "outcomes", "drift")} if found else None
    return {
        "built_from": dict(task.built_from()),
        "tables": tables,
        "counts": counts,
        "fault": None,
        "content": fingerprints.of_value([tables, counts, task.built_from()["inputs"] if not found else None]),
    }
