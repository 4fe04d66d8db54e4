"""Plain records: those of a file whose reader turns a block of them into columns at once."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.sources.columns import Members

BLOCK_BYTES = 2 << 20
"""About how much is read at once, or left to the strict reader for one record that is not plain."""


LINE_FEED = 10
"""The byte."""


@dataclass(frozen=True)
class PlainRecords:
    """Records of a file: where each starts (bytes), their members, and how many bytes they take."""

    positions: np.ndarray
    members: Members
    size: int


class Blocks(ABC):
    """The records of a file or a piece of it, block by block until `is_at_end`: `look_ahead`, then `skip` what was
    seen, or `read_records`. All may raise BrokenFile."""

    @property
    @abstractmethod
    def is_at_end(self) -> bool:
        """Whether all records have been read."""

    @abstractmethod
    def look_ahead(self) -> PlainRecords | None:
        """The next records, about a block of them; None where they are not plain."""

    @abstractmethod
    def skip(self, records: PlainRecords) -> None:
        """Go on after these records."""

    @abstractmethod
    def read_records(self) -> Iterator[SourceRecord]:
        """The same records, by the strict reader."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""
