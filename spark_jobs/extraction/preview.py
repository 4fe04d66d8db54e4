"""Preview: what files of any source would become, without touching anything. Pure Python, without Spark."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from spark_jobs.cleaning.mapped_records import BUILDERS
from spark_jobs.cleaning.records import build_issues
from spark_jobs.cleaning.rules import MISSING_USER_ID
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.file_formats import recognize_files
from spark_jobs.extraction.mapped_rows import Row, build_block
from spark_jobs.extraction.mapping import MappedFile
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.messages.jobs import BatchToExtract, ExtractRequest
from spark_jobs.schemas import RECORD_FIELDS, REJECTED, SKIPPED
from spark_jobs.sources.catalog import list_sources

NATIVE = "native"
ROWS_PER_BLOCK = 10_000


@dataclass
class FilePreview:
    """What a file would become.

    `source`: the name of its source. `documents`: its records (of the native format: documents). `counts`: the rows by
    entity. `skipped` and `rejected`: by reason. `corrected`: issues by entity, field and rule, `first_corrected` the
    first value of each (both not of the native format). `examples`: the first row of each entity, `first_rejected` the
    text of the first rejected record. `unknown_fields`: names that the source does not know. `not_found`: mapped paths
    that no record has. `fault`: why the file is refused as a whole. `why_left_alone`: why a member of an archive is of
    no source.
    """

    file: str
    source: str = ""
    platform: str | None = None
    documents: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    first_rejected: str | None = None
    corrected: dict[str, int] = field(default_factory=dict)
    first_corrected: dict[str, str | None] = field(default_factory=dict)
    unknown_fields: list[str] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    fault: str | None = None
    why_left_alone: str | None = None


def preview_files(batch: BatchToExtract, request: ExtractRequest) -> Iterator[FilePreview]:
    """What each file of a batch, and each member of its archives, would become, one after the other."""
    batch_files = recognize_files(batch, request, list_sources(request.source_tables))
    for source in batch_files.files:
        found = FilePreview(source.file)
        try:
            if source.fault:
                found.fault = source.fault.reason
            elif source.format is None:
                _preview_documents(source, found)
            else:
                _preview_mapped(source, batch.name, found)
        except BrokenSource as broken:
            found.fault = broken.fault.reason
        yield found
    for name, reason in batch_files.unknown.items():
        yield FilePreview(name, why_left_alone=reason)


def _preview_documents(source: Source, found: FilePreview) -> None:
    found.source = NATIVE
    counts: Counter[str] = Counter()
    unknown: set[str] = set()
    rejected: Counter[str] = Counter()
    for row, _ in read_documents(source):
        found.documents += 1
        unknown.update(row.get("unknown_fields") or ())
        if row.get("fault") or row["user_id"] is None:
            rejected[row.get("fault") or MISSING_USER_ID] += 1
            found.first_rejected = found.first_rejected or row.get("raw")
            continue
        posts = row["posts"]
        counts.update({"user": 1, "post": len(posts), "comment": sum(len(post["comments"]) for post in posts)})
        found.examples.setdefault("user", {name: value for name, value in row.items() if isinstance(value, str)})
        for post in posts[:1]:
            found.examples.setdefault("post", {name: value for name, value in post.items() if value})
    found.counts, found.rejected, found.unknown_fields = dict(counts), dict(rejected), sorted(unknown)


def _preview_mapped(source: Source, batch: str, found: FilePreview) -> None:
    assert source.format is not None
    found.source, found.platform = source.format.source.name, source.format.source.platform
    unknown: set[str] = set()
    file = MappedFile(source, source.format, batch, careful=True)
    pending: list[Row] = []
    for rows, _ in file.read_rows():
        found.documents += 1
        pending += rows
        unknown.update(name for row in rows for name in row.get("unknown_fields") or ())
        if len(pending) >= ROWS_PER_BLOCK:
            _judge(pending, found)
            pending = []
    _judge(pending, found)
    found.unknown_fields = sorted(unknown)
    found.not_found = [path for path, times in file.count_found().items() if not times]


def _judge(rows: Sequence[Row], found: FilePreview) -> None:
    """Count the rows as Clean will take them."""
    for row in rows:
        if row["entity"] == SKIPPED:
            _add(found.skipped, f"{row['skipped_entity']}.{row['reason']}", 1)
        elif row["entity"] == REJECTED:
            _add(found.rejected, row["reason"], 1)
            found.first_rejected = found.first_rejected or row["raw"]
        else:
            found.examples.setdefault(row["entity"], _take_fields(row["entity"], row))
    block = build_block(rows)
    for entity, build_records in BUILDERS.items():
        records = build_records(block)
        is_rejected = records.is_rejected()
        _add(found.counts, entity, len(is_rejected) - int(is_rejected.sum()))
        for rule, mask in records.broken:
            _add(found.rejected, rule, int(mask.sum()))
        for raw in records.raw.filter(pa.array(is_rejected))[:1].to_pylist():
            found.first_rejected = found.first_rejected or raw
        issues = pa.TableGroupBy(build_issues(records), ["field", "rule"], use_threads=False)
        for issue in issues.aggregate([("value", "first"), ([], "count_all")]).to_pylist():
            name = f"{entity}.{issue['field']}.{issue['rule']}"
            _add(found.corrected, name, issue["count_all"])
            found.first_corrected.setdefault(name, issue["value_first"])


def _add(counts: dict[str, int], name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number


def _take_fields(entity: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = RECORD_FIELDS[entity]
    return {name: row[name] for name in names if row.get(name) not in (None, [])}
