"""File formats: which source each file of a batch is of, and what its files say to one another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from spark_jobs.extraction.assignments import FileFormat, Source, expand_archive
from spark_jobs.extraction.errors import NOT_UTF8
from spark_jobs.extraction.reading import BrokenSource
from spark_jobs.extraction.record_reading import look_at_source
from spark_jobs.messages.jobs import BatchToExtract, ExtractRequest, FileFault, FileToRead
from spark_jobs.sources.catalog import Source as Format
from spark_jobs.sources.detection import detect, join_names, looks_like, make_unknown_source
from spark_jobs.sources.errors import UnknownSource
from spark_jobs.storage import read_location

OF_NO_SOURCE = ""
"""Stands for the file in the fault of a member of an archive that is left alone."""


@dataclass(frozen=True)
class BatchFiles:
    """The files of a batch to read, in their order, each with its format, or with its fault; and why members of its
    archives are of no source, by their names: they are left alone."""

    files: list[Source]
    unknown: dict[str, str]


def recognize_files(batch: BatchToExtract, request: ExtractRequest, formats: Sequence[Format]) -> BatchFiles:
    """The files of a batch, and the members of its archives. An archive has files of many kinds: those that are of no
    source are left alone, any other file without a source is refused."""
    files: list[Source] = []
    unknown: dict[str, str] = {}
    for file in batch.files:
        whole = _make_source(file, request)
        expanded = expand_archive(whole)
        if expanded is None:
            files.append(_recognize(whole, batch.source, formats))
            continue
        members = [_recognize(member, batch.source, formats) for member in expanded]
        known = [member for member in members if not (member.fault and member.fault.file == OF_NO_SOURCE)]
        reasons = {each.file: each.fault.reason for each in members if each.fault and each.fault.file == OF_NO_SOURCE}
        fault = FileFault(file.name, 0, f"no source looks like {join_names(list(reasons))}")
        files += known or [replace(whole, fault=fault)]
        unknown |= reasons
    return BatchFiles(_share(files, formats, request.keeps_private), unknown)


def _make_source(file: FileToRead, request: ExtractRequest) -> Source:
    return Source(
        file.name,
        read_location(file.path),
        max_unpacked_bytes=request.max_unpacked_bytes,
        folder=Path(file.folder) if file.folder else None,
        max_document_bytes=request.max_document_bytes,
    )


def _recognize(file: Source, decided: str, formats: Sequence[Format]) -> Source:
    """The file with its format, or with its fault."""
    if file.fault:
        return file
    try:
        head = look_at_source(file)
        is_member_of_no_source = file.member and not any(looks_like(head, each) for each in formats)
        if is_member_of_no_source and not decided:
            return replace(file, fault=FileFault(OF_NO_SOURCE, 0, str(make_unknown_source(head, formats))))
        found = _take_decided(decided, formats) if decided else detect(head, file.file, formats)
    except UnknownSource as refused:
        return replace(file, fault=FileFault(file.file, 0, str(refused)))
    except BrokenSource as broken:  # the reader of a native file says in its own words why it cannot be read
        return replace(file, fault=broken.fault) if broken.fault.reason == NOT_UTF8 else file
    return file if found.is_native else replace(file, format=FileFormat(found, head, {}, keeps_private=False))


def _share(files: Sequence[Source], formats: Sequence[Format], keeps_private: bool) -> list[Source]:
    """The files, each with what those beside it say."""
    shared: dict[str, dict[str, str]] = {}
    for file in files:
        for each in formats if file.format else ():
            if file.format and each.may_share(file.format.head):
                for value in file.format.head.values:
                    shared.setdefault(_find_neighbourhood(file), {}).update(each.read_shared(value))
    return [
        replace(
            file,
            format=replace(
                file.format,
                head=replace(file.format.head, values=()),
                shared=shared.get(_find_neighbourhood(file), {}),
                keeps_private=keeps_private,
            ),
        )
        if file.format
        else file
        for file in files
    ]


def _find_neighbourhood(file: Source) -> str:
    """The archive or folder whose files belong together: an X archive has its owner in another file than his posts."""
    return str(file.path) if file.member else str(PurePath(file.file).parent)


def _take_decided(name: str, formats: Sequence[Format]) -> Format:
    for each in formats:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in formats)
    raise UnknownSource(f"_source.toml names the source {name}; there are {names}")
