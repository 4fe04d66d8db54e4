"""Says for every stage whether it is up to date, and if not, why."""

from collections.abc import Iterator
from dataclasses import dataclass

from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.dbt_run import DbtRun
from luigi_tasks.stages.dbt_test import DbtTest
from luigi_tasks.stages.extract import Extract
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.report import Report
from luigi_tasks.targets import landing
from spark_jobs.schemas import TABLES


@dataclass(frozen=True)
class Answer:
    """Whether one stage is up to date: `reason` is None where it is."""

    stage: str
    batch: str
    reason: str | None


def explain() -> list[Answer]:
    """An answer for every stage of every batch in the landing folder, and for dbt, in the order of the graph."""
    with share_answers():
        return list(_answers())


def _answers() -> Iterator[Answer]:
    for batch in landing.list_batches():
        stages: list[tuple[str, Stage]] = [
            ("Extract", Extract(batch=batch)),
            ("Clean", Clean(batch=batch)),
            ("Audit", Audit(batch=batch)),
            *((f"Load {table}", Load(batch=batch, table=table)) for table in TABLES),
        ]
        yield from (Answer(name, batch, stage.find_stale_reason()) for name, stage in stages)
    yield Answer("DbtRun", "", DbtRun().find_stale_reason())
    yield Answer("DbtTest", "", DbtTest().find_stale_reason())
    yield Answer("Publish", "", Publish().find_stale_reason())
    yield Answer("Report", "", Report().find_stale_reason())


def as_text(answers: list[Answer]) -> str:
    """What is up to date is counted, what is not is listed."""
    lines = []
    for name in dict.fromkeys(answer.stage.split()[0] for answer in answers):
        of_stage = [answer for answer in answers if answer.stage.split()[0] == name]
        stale = [answer for answer in of_stage if answer.reason]
        lines.append(f"{name:8} {len(of_stage) - len(stale):,} of {len(of_stage):,} up to date")
        lines.extend(f"    {answer.stage} {answer.batch}: {answer.reason}" for answer in stale)
    return "\n".join(lines)
