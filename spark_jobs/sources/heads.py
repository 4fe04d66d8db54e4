"""The head of a landing file: what its beginning shows, from which its source is recognized.

The values are parsed as everywhere in Extract (`spark_jobs.extraction.parsing`): a number is the text it was written
as.
"""

from dataclasses import dataclass

JSON_ARRAY = "json array"
JSON_LINES = "json lines"
JSON_OBJECT = "json object"
CSV = "csv"
JS = "js"
"""A JavaScript assignment of an array: `window.YTD.tweets.part0 = [`."""

HEAD_VALUES = 20
"""Values at most: enough to meet each kind of record, and quickly read."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a file shows.

    `kind`: one of the kinds above.
    `values`: the first elements of an array (also that of a JS file), the first lines that are JSON, at most
    HEAD_VALUES. Of a JSON object, it is the object alone, with as many members as were read; a list in it may be cut
    after its first elements, and a value at the cut may be missing. Empty for CSV, and for an array without elements.
    `columns`: the header of a CSV file, as written, without a byte order mark.
    `variable`: the name a JS file assigns to, `window.YTD.tweets.part0`.
    """

    kind: str
    values: tuple[object, ...] = ()
    columns: tuple[str, ...] = ()
    variable: str = ""
