"""Preview: what files of any source would become, without touching anything. Pure Python, without Spark."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spark_jobs.cleaning.rules import MISSING_POST_ID, MISSING_USER_ID
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.file_formats import recognize_files
from spark_jobs.extraction.keys import is_key
from spark_jobs.extraction.mapping import MappedFile
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.messages.jobs import BatchToExtract, ExtractRequest
from spark_jobs.schemas import RECORD_FIELDS, REJECTED, SKIPPED
from spark_jobs.sources.catalog import list_sources
from spark_jobs.sources.rules import OWN_KEY

NATIVE = "native"
WITHOUT_KEY = {"user": MISSING_USER_ID, "post": MISSING_POST_ID, "comment": MISSING_POST_ID}
"""By entity, the rule by which Clean rejects a row that has no place."""


@dataclass
class FilePreview:
    """What a file would become.

    `source`: the name of its source. `documents`: its records (of the native format: documents). `counts`: the rows by
    entity. `skipped` and `rejected`: by reason. `examples`: the first row of each entity, `first_rejected` the
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
            if source.format is None:
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
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    unknown: set[str] = set()
    file = MappedFile(source, source.format, batch, careful=True)
    for rows, _ in file.read_rows():
        found.documents += 1
        for row in rows:
            entity = row["entity"]
            unknown.update(row.get("unknown_fields") or ())
            if entity == SKIPPED:
                skipped[f"{row['skipped_entity']}.{row['reason']}"] += 1
            elif entity == REJECTED:
                rejected[row["reason"]] += 1
                found.first_rejected = found.first_rejected or row["raw"]
            elif not is_key(row.get(OWN_KEY[entity])):
                rejected[WITHOUT_KEY[entity]] += 1
                found.first_rejected = found.first_rejected or row["raw"]
            else:
                counts[entity] += 1
                found.examples.setdefault(entity, _take_fields(entity, row))
    found.counts, found.skipped, found.rejected = dict(counts), dict(skipped), dict(rejected)
    found.unknown_fields = sorted(unknown)
    found.not_found = [path for path, times in file.count_found().items() if not times]


def _take_fields(entity: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = RECORD_FIELDS[entity]
    return {name: row[name] for name in names if row.get(name) not in (None, [])}
