"""Assignments: what one Spark task reads of a batch's files, for the Parquet part that it writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spark_jobs.engine.parquet_parts import Part
from spark_jobs.extraction.archives import list_archive
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.members import Member
from spark_jobs.extraction.splitting import WHOLE_FILE, Piece, split_file
from spark_jobs.messages.jobs import MAX_DOCUMENT_BYTES, FileFault
from spark_jobs.sources.heads import Head
from spark_jobs.sources.source import Source as Format
from spark_jobs.storage import Location, read_size

GROUP_BYTES = 2 << 20
"""Files up to this size together are read by one task. Compressed ones unpack to several times as much."""
NO_ROOM = -1
"""A piece of a split file stands alone: if it is broken, the file is read again as a whole, and nothing beside it."""


@dataclass(frozen=True)
class FileFormat:
    """How a file of another source than the native export is read: its source, its head without the values, what other
    files beside it say, and whether records that are not public are taken, too."""

    source: Format
    head: Head
    shared: Mapping[str, str]
    keeps_private: bool


@dataclass(frozen=True)
class Source:
    """A landing file or a piece of it: its name in the batch, its path, how many bytes it may unpack to (None: any
    number), the folder below which no link is followed (None: links are), how many bytes a document may have, the
    member of an archive that it is, and its format (None: the native one). `fault`: why it is broken as a whole."""

    file: str
    path: Location
    piece: Piece = WHOLE_FILE
    max_unpacked_bytes: int | None = None
    folder: Path | None = None
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    member: Member | None = None
    format: FileFormat | None = None
    fault: FileFault | None = None


@dataclass(frozen=True)
class Assignment:
    """The sources that one task reads, in order, for one part.

    Only a careful reader tells what is wrong with a file, and where; it takes twice the time.
    """

    batch_no: int
    batch: str
    number: int
    sources: tuple[Source, ...]
    careful: bool = False

    def path(self, staging: Path) -> Path:
        """Where the part is written."""
        return staging / f"batch_no={self.batch_no}" / self.table / f"{self.number:06}.parquet"

    @property
    def table(self) -> str:
        """The table of the checkpoint that the part belongs to."""
        return "documents" if self.sources[0].format is None else "records"

    @property
    def first_path(self) -> Location:
        """The first file; a large one has several assignments, which are its only ones."""
        return self.sources[0].path

    def count_file_ends(self) -> int:
        """How many files end in the sources: of all pieces of a file, the last one counts."""
        return sum(source.piece.end is None for source in self.sources)


@dataclass(frozen=True)
class Outcome:
    """What an assignment led to: the part (None where there is no document), or the first broken file; by source and
    mapped path, how often it was found."""

    assignment: Assignment
    part: Part | None
    fault: FileFault | None
    found: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def assign_files(batch_no: int, batch: str, files: Iterable[Source]) -> list[Assignment]:
    """The assignments of a batch: large files are split into pieces, small ones of the same table are grouped."""
    groups: list[list[Source]] = []
    room = NO_ROOM
    for file in files:
        size, sources = _measure_source(file), _split_source(file)
        is_split = len(sources) > 1
        if size <= room and not is_split and (groups[-1][0].format is None) == (file.format is None):
            groups[-1] += sources
            room -= size
        else:
            groups.extend([source] for source in sources)
            room = NO_ROOM if is_split else GROUP_BYTES - size
    return [Assignment(batch_no, batch, number, tuple(group)) for number, group in enumerate(groups)]


def expand_archive(source: Source) -> list[Source] | None:
    """The members of an archive as sources; None for any other file. A broken archive is one source, whose reader says
    why."""
    try:
        archive = list_archive(source.path, source.max_unpacked_bytes, source.folder)
    except BrokenFile as broken:
        fault = FileFault(source.file, broken.offset, broken.reason)
        return [replace(source, fault=fault)]
    if archive is None:
        return None
    return [replace(source, file=f"{source.file}/{member.name}", member=member) for member in archive.members]


def _split_source(source: Source) -> list[Source]:
    """The pieces of a file, each for a task of its own."""
    is_whole = source.member or source.fault or (source.format and not source.format.source.may_split)
    pieces = [WHOLE_FILE] if is_whole else split_file(source.path, source.folder)
    return [replace(source, piece=piece) for piece in pieces]


def assign_again(assignments: list[Assignment], staging: Path) -> list[Assignment]:
    """The same assignments for the careful reader, split files as a whole; parts already written are deleted."""
    for assignment in assignments:
        assignment.path(staging).unlink(missing_ok=True)
    return [
        replace(each, careful=True, sources=tuple(replace(source, piece=WHOLE_FILE) for source in each.sources))
        for each in assignments
        if each.sources[0].piece.start == 0
    ]


def _measure_source(source: Source) -> int:
    """The size of a file in bytes; 0 for one that cannot be opened, whose reader will say why."""
    if source.member:
        return source.member.size
    try:
        return read_size(source.path)
    except OSError:
        return 0
