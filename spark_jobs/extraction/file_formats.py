"""File formats: which source each file of a batch is of, and what its files say to one another."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from spark_jobs.extraction.assignments import FileFormat, Source, expand_archive
from spark_jobs.extraction.reading import BrokenSource
from spark_jobs.extraction.record_reading import look_at_source
from spark_jobs.messages.jobs import BatchToExtract, ExtractRequest, FileFault, FileToRead
from spark_jobs.sources.catalog import Source as Format
from spark_jobs.sources.detection import detect
from spark_jobs.sources.errors import UnknownSource
from spark_jobs.sources.heads import Head


def recognize_files(batch: BatchToExtract, request: ExtractRequest, formats: Sequence[Format]) -> list[Source]:
    """The files of a batch, and the members of its archives, in their order, each with its format, or with its fault
    where it is of no source or of several."""
    files = [member for file in batch.files for member in _list_members(_make_source(file, request))]
    heads = [_read_head(file) for file in files]
    shared = _collect_shared(files, heads, formats)
    recognized = []
    for file, head in zip(files, heads, strict=True):
        found = file if head is None else _recognize(file, head, batch.source, formats)
        if found.format is not None:
            of_file = shared.get(_find_neighbourhood(file), {})
            found = replace(found, format=replace(found.format, shared=of_file, keeps_private=request.keeps_private))
        recognized.append(found)
    return recognized


def _make_source(file: FileToRead, request: ExtractRequest) -> Source:
    return Source(
        file.name,
        Path(file.path),
        max_unpacked_bytes=request.max_unpacked_bytes,
        folder=Path(file.folder) if file.folder else None,
        max_document_bytes=request.max_document_bytes,
    )


def _list_members(file: Source) -> list[Source]:
    """The members of an archive as files of their own; any other file alone."""
    expanded = expand_archive(file)
    return [file] if expanded is None else expanded[0]


def _read_head(file: Source) -> Head | None:
    """The head of a file; None of one that cannot be read, whose reader will say why."""
    try:
        return look_at_source(file)
    except BrokenSource:
        return None


def _find_neighbourhood(file: Source) -> str:
    """The archive or folder whose files belong together: an X archive has its owner in another file than his posts."""
    return str(file.path) if file.member else str(PurePath(file.file).parent)


def _collect_shared(
    files: Sequence[Source], heads: Sequence[Head | None], formats: Sequence[Format]
) -> dict[str, dict[str, str]]:
    """By neighbourhood, what its files say to one another."""
    shared: dict[str, dict[str, str]] = {}
    for file, head in zip(files, heads, strict=True):
        for each in formats:
            if head is not None and each.may_share(head):
                of_file = shared.setdefault(_find_neighbourhood(file), {})
                for value in head.values:
                    of_file.update(each.read_shared(value))
    return shared


def _recognize(file: Source, head: Head, decided: str, formats: Sequence[Format]) -> Source:
    """The file with its format, or with its fault."""
    try:
        found = _take_decided(decided, formats) if decided else detect(head, file.file, formats)
    except UnknownSource as unknown:
        return replace(file, fault=FileFault(file.file, 0, str(unknown)))
    if found.is_native:
        return file
    return replace(file, format=FileFormat(found, replace(head, values=()), {}, keeps_private=False))


def _take_decided(name: str, formats: Sequence[Format]) -> Format:
    for each in formats:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in formats)
    raise UnknownSource(f"_source.toml names the source {name}; there are {names}")
