"""`socialmart sources`: which exports can be read, and what a file would become, without touching anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luigi_tasks import config
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import source_tables
from luigi_tasks.targets.landing_files import find_files
from luigi_tasks.texts import count, format_block, format_names
from spark_jobs.extraction.preview import NATIVE, FilePreview, preview_files
from spark_jobs.messages import BatchToExtract, ExtractRequest, FileToRead
from spark_jobs.sources.catalog import list_sources

LONGEST_VALUE = 100
"""Characters of a value that an example shows."""


@dataclass(frozen=True)
class KnownSource:
    """A source: its name, its platform (None: the canonical format), what it is, whether it is the project's own."""

    name: str
    platform: str | None
    title: str
    is_own: bool


def list_known_sources() -> list[KnownSource]:
    """Return all sources by name."""
    own = source_tables.read_own_tables()
    return [KnownSource(each.name, each.platform, each.title, each.name in own) for each in list_sources(own)]


def list_source_lines(sources: Sequence[KnownSource]) -> Iterator[tuple[str, str]]:
    """Yield a line a source, with its style."""
    width = max(len(source.name) for source in sources)
    for source in sources:
        own = f" ({source_tables.find_folder()})" if source.is_own else ""
        yield f"{source.name:{width}}  {source.platform or '–':10}  {source.title}{own}", ""


def try_files(path: Path) -> list[FilePreview]:
    """Return what a file, an archive or a folder of files would become. Raises PipelineError where there is none."""
    if not path.exists():
        raise PipelineError(f"{path}: there is no such file or folder")
    path = path.absolute()
    files = [FileToRead(file.name, str(file.path)) for file in find_files(path) if file.fault is None]
    if not files:
        raise PipelineError(f"{path}: there is no file to read in it")
    decision = source_tables.read_decision(path)
    if decision.fault:
        raise PipelineError(f"{path / decision.fault.file}: {decision.fault.reason}")
    limits = config.read_section(config.landing)
    batch = BatchToExtract(path.name, files, decision.source)
    request = ExtractRequest(
        [batch],
        "",
        limits.max_unpacked_bytes,
        limits.max_document_bytes,
        source_tables.read_own_tables(),
        config.read_section(config.sources).keep_private,
    )
    return list(preview_files(batch, request))


def list_preview_lines(previews: Sequence[FilePreview]) -> Iterator[tuple[str, str]]:
    """Yield what files would become, with the style of each line."""
    for found in previews:
        yield f"{found.file}: {_describe_source(found)}", "bold"
        if found.fault:
            yield f"  refused: {found.fault}", "red"
        if found.why_left_alone:
            yield f"  {found.why_left_alone}", ""
        if found.source and not found.fault:
            yield f"  {count(found.documents, 'record')}: {_list_counts(found)}", ""
        for name, of_reason in (("skipped", found.skipped), ("rejected", found.rejected)):
            if of_reason:
                yield f"  {name}: {_join_counts(of_reason)}", "red" if name == "rejected" else ""
        if found.first_rejected:
            yield f"  first rejected: {_shorten(found.first_rejected)}", "red"
        for name, number in found.corrected.items():
            yield f"  corrected: {number:,} {name}, first: {_shorten(found.first_corrected[name])}", "yellow"
        for entity, example in found.examples.items():
            fields = ", ".join(f"{name}={_shorten(value)}" for name, value in example.items())
            yield f"  first {entity}: {fields}", ""
        if found.not_found:
            yield f"  nothing is at: {format_names(found.not_found)}", ""
        if found.unknown_fields:
            yield f"  unknown fields: {format_names(found.unknown_fields)}", ""


def _describe_source(found: FilePreview) -> str:
    if not found.source:
        return "refused" if found.fault else "of no source; left alone"
    return NATIVE if found.source == NATIVE else f"{found.source} ({found.platform or 'no platform'})"


def _list_counts(found: FilePreview) -> str:
    return ", ".join(count(found.counts.get(entity, 0), entity) for entity in ("user", "post", "comment"))


def _join_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))


def _shorten(value: object) -> str:
    text = format_block(str(value)).replace("\n", " ")
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " …"
