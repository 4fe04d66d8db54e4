"""Own functions: what our functions in the warehouse are by the SQL that creates them, and which others changed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

STATEMENT = re.compile(
    r"create or replace function (?P<name>[\w.]+)\((?P<arguments>[^)]*)\)(?P<traits>.*?)"
    r"\$function\$(?P<body>.*?)\$function\$;",
    re.DOTALL,
)
VOLATILITIES = {"immutable": "i", "stable": "s"}
"""How the catalogue has them; all other functions are volatile, 'v'."""
DROPPED = "it was dropped"
FOUND = """
select prosrc, lanname::text, provolatile::text, proparallel::text, prosecdef, coalesce(proconfig, '{}')
from pg_proc inner join pg_language on pg_language.oid = prolang
where pg_proc.oid = to_regprocedure(%s)
"""


@dataclass(frozen=True)
class OwnFunction:
    """A function of ours: its name, the types of its arguments, the statement that creates it, and what the catalogue
    then has of it, as a row of FOUND."""

    name: str
    types: str
    statement: str
    row: tuple[object, ...]


def list_functions(sql: Iterable[str]) -> list[OwnFunction]:
    """The functions that some SQL creates; where it does so more than once, the last one counts."""
    found = {function.name: function for text in sql for function in _parse(text)}
    return list(found.values())


def _parse(sql: str) -> Iterator[OwnFunction]:
    for found in STATEMENT.finditer(sql):
        traits = found["traits"].split()
        path = re.search(r"set search_path = (\w+)", found["traits"])
        row = (
            found["body"],
            traits[traits.index("language") + 1],
            next((letter for word, letter in VOLATILITIES.items() if word in traits), "v"),
            "s" if "parallel" in traits else "u",
            "definer" in traits,
            [f"search_path={path[1]}"] if path else [],
        )
        types = ", ".join(argument.split()[-1] for argument in found["arguments"].split(","))
        yield OwnFunction(found["name"], types, found[0], row)


def find_change(cursor: Cursor, function: OwnFunction) -> str | None:
    """What is different of a function in the warehouse, in words; None where it is as we created it."""
    cursor.execute(FOUND, (f"{function.name}({function.types})",))
    found = cursor.fetchone()
    if found is None:
        return DROPPED
    if found[0] != function.row[0]:
        return "it does something else"
    return None if tuple(found) == function.row else "it is declared in another way"
