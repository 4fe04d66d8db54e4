"""Source records: what a landing file that is not in the native format consists of."""

from typing import NamedTuple


class SourceRecord(NamedTuple):
    """A JSON value or a row of CSV: its offset in the unpacked file (bytes), its exact text, and its value.

    Numbers of JSON are the text they were written as. A row is a dict of its cells; the list of them where it has more
    or fewer than there are columns. `fault`: the rule by which a line is rejected that could not be read, `reason` what
    the parser said; both None for all others. Such a text has `\\xff` for a byte that is not UTF-8.
    """

    offset: int
    text: str
    value: object
    fault: str | None = None
    reason: str | None = None
