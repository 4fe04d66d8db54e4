"""Parts: each Spark task cleans one Parquet part of the documents, and leaves the same part of every table.

First as if nothing were superseded: then a table's part holds all candidates, the records that were not rejected. Where
some turn out to be superseded, or something has to be filled in, the candidates are divided afterwards.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs import storage
from spark_jobs.cleaning import mapped_records, records
from spark_jobs.cleaning.ages import count_ages, fill_in_age
from spark_jobs.cleaning.partial_users import UserRows, fill_in_fields
from spark_jobs.cleaning.records import build_issues, build_rejected
from spark_jobs.cleaning.rules import OLDEST_AGE
from spark_jobs.cleaning.superseded import CandidateKeys, SupersededRows, digest_keys
from spark_jobs.engine.parquet_parts import Part, PartWriter, describe_part
from spark_jobs.messages.jobs import name_read_sum
from spark_jobs.parquet_blocks import read_blocks
from spark_jobs.schemas import CHECKPOINT_TABLES, ENTITY_MEASURES, ENTITY_TABLES, MEASURES
from spark_jobs.storage import Location

ACCEPTED, SUPERSEDED, REJECTED = "accepted", "superseded", "rejected"
MAPPED = "records"
"""The folder of a checkpoint's mapped records."""
DOCUMENTS_PER_BLOCK = 2_000
"""So that the columns of a block of usual documents take some ten MB; of large ones there are fewer in a block."""
CANDIDATES_PER_BLOCK = 65_536
"""Rows of users, posts or comments: the same."""
MAPPED_PER_BLOCK = 30_000
"""Rows of mapped records, which are smaller; a call of Arrow costs as much for few rows as for many."""


@dataclass(frozen=True)
class DocumentsPart:
    """A part of the documents of a batch, or of its mapped records: its path and size in bytes, the batch's output,
    below which its tables are written, and the folder for parts that are not finished."""

    batch_no: int
    path: Location
    size: int
    folder: Location
    staging: Path

    @property
    def is_mapped(self) -> bool:
        """Whether the part holds records that were mapped from another source than the native export."""
        return self.path.parent.name == MAPPED

    def output(self, table: str) -> Location:
        """Where a table's part is written."""
        return self.folder / table / self.path.name


@dataclass(frozen=True)
class WrittenPart:
    """What the files of a part hold: by entity and outcome the file and its sums, the rejected records by entity, and
    the files of the tables `rejected` and `issues`."""

    outcomes: dict[str, dict[str, tuple[Part, dict[str, int]]]]
    rejected: dict[str, int]
    others: dict[str, Part]


@dataclass(frozen=True)
class CleanedPart:
    """What the documents of a part hold, and what was written of it as if nothing were superseded.

    `number` is that among all parts; `read` has the records and sums of the documents, `accepted_documents` how many of
    them were accepted, `skipped` what was left out on purpose, `rejected_sums` by entity the sums of what was rejected,
    `drift` the unknown fields.
    """

    number: int
    batch_no: int
    read: dict[str, int]
    accepted_documents: int
    skipped: dict[str, int]
    rejected_sums: dict[str, dict[str, int]]
    drift: set[str]
    written: WrittenPart


@dataclass(frozen=True)
class Division:
    """How the candidates of a part have to be divided: which rows are superseded, the users whose fields and the age
    that have to be filled in (or None)."""

    documents: DocumentsPart
    superseded: SupersededRows
    filled: UserRows | None = None
    age: int | None = None

    def concerns(self, entity: str) -> bool:
        """Whether the candidates of an entity are not simply the accepted records."""
        is_filled = self.filled is not None or self.age is not None
        return entity in self.superseded or (entity == "user" and is_filled)

    def is_needed(self) -> bool:
        """Whether any candidates are not simply the accepted records."""
        return any(self.concerns(entity) for entity in ENTITY_TABLES)


def clean_part(number: int, documents: DocumentsPart) -> tuple[CleanedPart, list[CandidateKeys]]:
    """Write a part of every table as if nothing were superseded; its counts, and the keys of its candidates."""
    read = dict.fromkeys(("documents", *ENTITY_TABLES.values(), *MEASURES), 0)
    rejected_sums: dict[str, dict[str, int]] = {entity: {} for entity in ENTITY_MEASURES}
    skipped: dict[str, int] = {}
    drift: set[str] = set()
    keys: dict[str, list[np.ndarray]] = {entity: [] for entity in ENTITY_TABLES}
    kind = mapped_records if documents.is_mapped else records
    accepted_documents = 0
    with ExitStack() as stack:
        writers = {
            table: stack.enter_context(PartWriter(documents.staging, documents.output(table), schema))
            for table, schema in CHECKPOINT_TABLES.items()
        }
        for block in read_blocks(documents.path, MAPPED_PER_BLOCK if documents.is_mapped else DOCUMENTS_PER_BLOCK):
            add_counts(read, kind.count_records(block))
            drift.update(block["unknown_fields"].flatten().to_pylist())
            if documents.is_mapped:
                add_counts(skipped, mapped_records.count_skipped(block))
                accepted_documents += mapped_records.count_accepted_documents(block)
                writers["rejected"].write(mapped_records.build_unreadable(block))
            for entity, build_records in kind.BUILDERS.items():
                of_entity = build_records(block)
                is_rejected = pa.array(of_entity.is_rejected())
                candidates = of_entity.table.filter(pc.invert(is_rejected))
                writers[ENTITY_TABLES[entity]].write(candidates)
                writers["rejected"].write(build_rejected(of_entity))
                writers["issues"].write(build_issues(of_entity))
                keys[entity].append(digest_keys(entity, candidates))
                if entity in ENTITY_MEASURES:
                    add_counts(read, _name_sums(entity, _sum_measures(entity, of_entity.table)))
                    add_counts(rejected_sums[entity], _sum_measures(entity, of_entity.table.filter(is_rejected)))
                elif not documents.is_mapped:
                    accepted_documents += len(candidates)
    written = describe_written(Division(documents, {}))
    cleaned = CleanedPart(number, documents.batch_no, read, accepted_documents, skipped, rejected_sums, drift, written)
    return cleaned, [_number_keys(entity, cleaned, np.concatenate(blocks)) for entity, blocks in keys.items()]


def divide_part(division: Division) -> WrittenPart:
    """Divide the candidates of a part into accepted and superseded records."""
    for entity, table in ENTITY_TABLES.items():
        if division.concerns(entity):
            _divide_table(division, entity, table)
    return describe_written(division)


def take_accepted(division: Division) -> None:
    """Put the accepted records of a divided part in the place of its candidates."""
    documents = division.documents
    for entity, table in ENTITY_TABLES.items():
        if division.concerns(entity):
            documents.output(table).unlink(missing_ok=True)
            accepted = documents.output(f"{ACCEPTED}/{table}")
            if accepted.exists():
                accepted.replace(documents.output(table))  # type: ignore[arg-type]  # both are of one kind


def read_users(documents: DocumentsPart) -> pa.Table | None:
    """The users of a part that was not divided yet; None where there are none."""
    path = documents.output("users")
    if not path.exists():
        return None
    with storage.open_parquet(path) as file:
        return file.read()


def count_part_ages(division: Division) -> np.ndarray:
    """How many accepted users of a part have each age (see `count_ages`)."""
    ages = np.zeros(OLDEST_AGE + 1, "int64")
    for users, is_superseded in _read_candidates(division, "user", "users"):
        ages += count_ages(users.filter(pc.invert(is_superseded)))
    return ages


def describe_written(division: Division) -> WrittenPart:
    """What the files of a part hold; to be asked before `take_accepted`."""
    documents = division.documents
    outcomes: dict[str, dict[str, tuple[Part, dict[str, int]]]] = {}
    for entity, table in ENTITY_TABLES.items():
        accepted = f"{ACCEPTED}/{table}" if division.concerns(entity) else table
        outcomes[entity] = {}
        for outcome, folder in ((ACCEPTED, accepted), (SUPERSEDED, f"{SUPERSEDED}/{table}")):
            path = documents.output(folder)
            if part := describe_part(path):
                outcomes[entity][outcome] = (part, _sum_file(entity, path))
    found = {table: describe_part(documents.output(table)) for table in ("rejected", "issues")}
    others = {table: part for table, part in found.items() if part}
    return WrittenPart(outcomes, _count_rejected(documents.output("rejected")), others)


def add_counts(total: dict[str, int], more: dict[str, int]) -> None:
    """Add counts to a total, name by name."""
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _number_keys(entity: str, cleaned: CleanedPart, keys: np.ndarray) -> CandidateKeys:
    return CandidateKeys(entity, cleaned.batch_no, cleaned.number, keys, np.arange(len(keys)))


def _divide_table(division: Division, entity: str, table: str) -> None:
    documents, schema = division.documents, CHECKPOINT_TABLES[table]
    age = division.age if entity == "user" else None
    with (
        PartWriter(documents.staging, documents.output(f"{ACCEPTED}/{table}"), schema) as accepted,
        PartWriter(documents.staging, documents.output(f"{SUPERSEDED}/{table}"), schema) as superseded,
    ):
        for rows, is_superseded in _read_candidates(division, entity, table):
            kept = rows.filter(pc.invert(is_superseded))
            accepted.write(kept if age is None else fill_in_age(kept, age))
            superseded.write(rows.filter(is_superseded))


def _read_candidates(division: Division, entity: str, table: str) -> Iterator[tuple[pa.Table, pa.BooleanArray]]:
    """The rows of a part, a block at a time, with the fields that were filled in, and which of them are superseded."""
    path = division.documents.output(table)
    if not path.exists():
        return
    superseded = division.superseded.get(entity, np.arange(0))
    filled = division.filled if entity == "user" else None
    start = 0
    for block in read_blocks(path, CANDIDATES_PER_BLOCK):
        numbers = np.arange(start, start + len(block))
        yield fill_in_fields(pa.table(block), start, filled), pa.array(np.isin(numbers, superseded))
        start += len(block)


def _name_sums(entity: str, sums: dict[str, int]) -> dict[str, int]:
    return {name_read_sum(entity, measure): value for measure, value in sums.items()}


def _sum_measures(entity: str, rows: pa.Table) -> dict[str, int]:
    """The sums of an entity's counters; without those that no row has."""
    found = {measure: pc.sum(rows[measure]).as_py() for measure in ENTITY_MEASURES[entity]}
    return {measure: value for measure, value in found.items() if value is not None}


def _sum_file(entity: str, path: Location) -> dict[str, int]:
    total: dict[str, int] = {}
    if entity in ENTITY_MEASURES:
        for block in read_blocks(path, CANDIDATES_PER_BLOCK, ENTITY_MEASURES[entity]):
            add_counts(total, _sum_measures(entity, pa.table(block)))
    return total


def _count_rejected(path: Location) -> dict[str, int]:
    """The rejected records of a part by entity."""
    if not path.exists():
        return {}
    with storage.open_parquet(path) as file:
        counted = pc.value_counts(file.read(["entity"])["entity"])
    return {each["values"]: each["counts"] for each in counted.to_pylist()}
