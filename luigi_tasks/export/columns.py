"""Columns of a mart as they are in Parquet: their types from the catalogue, and how their values are read."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from psycopg2.extensions import cursor as Cursor

MOST_DIGITS = 38
"""Of a decimal number that all readers of Parquet know."""
TYPES = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
"""By the names of PostgreSQL. All others are texts, as psql shows them: not every reader knows a UUID or a time, and a
numeric without a scale has more digits than a decimal number holds."""
LISTS_OF_TEXTS = ("text[]", "character varying[]")
COLUMNS = """
select attname, quote_ident(attname), atttypid::regtype::text, atttypmod from pg_attribute
where attrelid = (
    select oid from pg_class where relnamespace = to_regnamespace(%(schema)s) and relname = %(mart)s
) and attnum > 0 and not attisdropped order by attnum
"""


@dataclass(frozen=True)
class Column:
    """A column of a mart: its name, its type in Parquet, and the expression that COPY writes its values by."""

    name: str
    type: pa.DataType
    expression: str

    @property
    def is_list(self) -> bool:
        """Whether COPY writes its values as JSON."""
        return bool(pa.types.is_list(self.type))


def list_columns(cursor: Cursor, schema: str, mart: str) -> list[Column]:
    """Return the columns of a mart in their order, as a schema for readers has them."""
    cursor.execute(COLUMNS, {"schema": schema, "mart": mart})
    return [_make_column(*row) for row in cursor.fetchall()]


def make_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a mart's files."""
    return pa.schema([(column.name, column.type) for column in columns])


def _make_column(name: str, quoted: str, type_: str, modifier: int) -> Column:
    if type_ in LISTS_OF_TEXTS:
        return Column(name, pa.list_(pa.string()), f"to_json({quoted})")
    if type_ == "numeric":
        return Column(name, _make_decimal(modifier), quoted)
    return Column(name, TYPES.get(type_, pa.string()), quoted)


def _make_decimal(modifier: int) -> pa.DataType:
    """The type for a numeric with this type modifier, which packs digits and scale; -1 where it has neither."""
    digits, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    fits = modifier >= 0 and 0 <= scale <= digits <= MOST_DIGITS
    return pa.decimal128(digits, scale) if fits else pa.string()
