"""Masks: what the views in the schema marts show in the place of personal columns, by the map of personal data.

Keys of users become pseudonyms, which are random and stay the same from run to run. Keys of posts become a digest of
the key and a secret of their author: without the secret nobody can tell which post it is, by trying ids for example.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, fingerprints
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy import map_file
from luigi_tasks.privacy.privacy_map import NONE, Kind
from luigi_tasks.warehouse import ownership
from luigi_tasks.warehouse.schema_names import MARTS, PUBLISHED

MASK_TEXT = f"{PUBLISHED}.mask_text"
"""The function that masks texts."""
FUNCTIONS = Path(__file__).with_name("masks.sql")
PART = re.compile(r"^-- <<([\w ]+)>> = (.*)\n", re.MULTILINE)
"""A line of its head that says what a part of expressions is."""
USED_PART = re.compile(r"<<([\w ]+)>>")
AUTHOR = "user_sk"
"""The column that says whose row it is."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Stands for the author of rows without one; its secret is used for their keys."""
USERS = f"{PUBLISHED}.int_user_engagement"
"""One row per user, also of those without a profile."""
PSEUDONYMS = "pseudonyms"
PSEUDONYMS_TABLE = f"{PUBLISHED}.{PSEUDONYMS}"
CREATE_PSEUDONYMS = f"""
create table if not exists {PSEUDONYMS_TABLE} (
    user_sk uuid primary key,
    pseudonym uuid not null default gen_random_uuid(),
    secret uuid not null default gen_random_uuid()
);
comment on table {PSEUDONYMS_TABLE} is
'One row per user that was ever published: what stands for the user in marts, and the secret of the keys of the posts. '
'{ownership.MARK} Publish.';
insert into {PSEUDONYMS_TABLE} (user_sk) values ('{NOBODY}') on conflict do nothing
"""
COLUMNS = """
select attname, quote_ident(attname), atttypid::regtype::text, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum
"""
PSEUDONYM = f"case when mart.{AUTHOR} is not null then author.pseudonym end"
DIGEST = "encode(sha256(convert_to(author.secret::text || mart.{name}::text, 'UTF8')), 'hex')"
GENERALISED = {
    "timestamp without time zone": "date_trunc('day', mart.{name})",
    "timestamp with time zone": "date_trunc('day', mart.{name}, 'UTC')",
    "date": "date_trunc('year', mart.{name}::timestamp)::date",
    "smallint": "(mart.{name} / 10 * 10)::smallint",
    "integer": "mart.{name} / 10 * 10",
    "bigint": "mart.{name} / 10 * 10",
}
"""By type: the day of a time, the first day of a date's year, and the least of the ten that a number is among."""
TEXTS = {"text", "character varying"}


@dataclass(frozen=True)
class Masks:
    """The kinds of the columns of each mart, by mart and column; each kind has its mask."""

    kinds: Mapping[str, Mapping[str, Kind]]

    def make_query(self, cursor: Cursor, mart: str, candidate: str) -> str:
        """Return the query of a mart's view in marts. It reads published, and has the columns of the candidate.

        Raises PipelineError for columns that the map does not have, or whose mask has no meaning for their type.
        """
        cursor.execute(COLUMNS, (candidate,))
        columns = cursor.fetchall()
        types = {name: type_ for name, _, type_, _ in columns}
        shown, faults = [], []
        for name, quoted, type_, full_type in columns:
            kind = self.kinds.get(mart, {}).get(name)
            expression = _mask(kind, quoted, type_, types.get(AUTHOR)) if kind else ""
            shown.append(f"({expression})::{full_type} as {quoted}")
            if kind is None:
                faults.append(f"{MARTS}.{mart}.{name} is not in the map")
            elif not expression:
                faults.append(f"{MARTS}.{mart}.{name} has the mask {kind.mask}, which does not fit {full_type}")
        if faults:
            raise PipelineError(
                f"the marts cannot be masked by the map of personal data: {'; '.join(faults)}; nothing was published; "
                f"list the columns in {map_file.find_own_map() or map_file.MAP} under a kind whose mask fits, or set "
                "[privacy] mask_marts = false"
            )
        author = f"left join {PSEUDONYMS_TABLE} as author on author.user_sk = coalesce(mart.{AUTHOR}, '{NOBODY}')"
        is_joined = any("author." in expression for expression in shown)
        return f"select {', '.join(shown)} from {PUBLISHED}.{mart} as mart {author if is_joined else ''}"


def read_masks() -> Masks | None:
    """Read the masks from the map; None where the settings say that the marts are shown without."""
    if not config.read_section(config.privacy).mask_marts:
        return None
    kinds: dict[str, dict[str, Kind]] = {}
    for column in map_file.read_map().columns:
        if column.schema == MARTS:
            kinds.setdefault(column.table, {})[column.name] = column.kind
    return Masks(kinds)


def fingerprint_masks() -> str:
    """Fingerprint of what the masks are made from, without reading the map; empty where there are none."""
    if not config.read_section(config.privacy).mask_marts:
        return ""
    return fingerprints.of_value([fingerprints.of_file(path) for path in (*map_file.list_files(), FUNCTIONS)])


def prepare_masks(cursor: Cursor) -> None:
    """Create what the masked views need: the function that masks texts, and the table of pseudonyms."""
    cursor.execute(compose_functions())
    cursor.execute(CREATE_PSEUDONYMS)


def compose_functions() -> str:
    """The SQL of FUNCTIONS, with each <<part>> in its place. Raises KeyError for a part that the head does not have."""
    sql = FUNCTIONS.read_text(encoding="utf-8")
    parts = dict(PART.findall(sql))

    def fill(text: str) -> str:
        return USED_PART.sub(lambda used: fill(parts[used[1]]), text)

    head, create, body = PART.sub("", sql).partition("create or replace function")
    return head + create + fill(body)


def add_pseudonyms(cursor: Cursor, condition: str = "") -> None:
    """Give each published user that has no pseudonym one; `condition` says among which: `where …`, or all."""
    cursor.execute("select to_regclass(%s) is not null", (USERS,))
    if cursor.fetchone() == (True,):
        cursor.execute(
            f"insert into {PSEUDONYMS_TABLE} (user_sk) select users.user_sk from (select * from {USERS} {condition}) "
            f"as users where user_sk is not null "
            f"and not exists (select from {PSEUDONYMS_TABLE} as known where known.user_sk = users.user_sk)"
        )


def has_all_pseudonyms(cursor: Cursor) -> bool:
    """Whether each published user has a pseudonym. Which one it is, nothing else in the warehouse tells."""
    cursor.execute("select to_regclass(%s) is null", (USERS,))
    if cursor.fetchone() == (True,):
        return True
    cursor.execute(
        f"select not exists (select from {USERS} as users where user_sk is not null and not exists "
        f"(select from {PSEUDONYMS_TABLE} as known where known.user_sk = users.user_sk))"
    )
    return cursor.fetchone() == (True,)


def _mask(kind: Kind, name: str, type_: str, author: str | None) -> str:
    """What is shown of a column, as an expression; empty if its mask has no meaning for its type, or nothing in the
    mart says whose row it is."""
    if kind.mask == NONE:
        return f"mart.{name}"
    if kind.mask == "empty":
        return "null"
    if kind.mask == "generalised" and type_ in GENERALISED:
        return GENERALISED[type_].format(name=name)
    if kind.mask == "masked_text" and type_ in TEXTS:
        return f"{MASK_TEXT}(mart.{name})"
    if kind.mask == "pseudonym" and kind.persons == ("user_id",) and author == "uuid" and type_ in {"uuid", *TEXTS}:
        if "identity" in kind.categories:
            return PSEUDONYM
        digest = DIGEST.format(name=name)
        return f"left({digest}, 32)" if type_ == "uuid" else digest
    return ""
