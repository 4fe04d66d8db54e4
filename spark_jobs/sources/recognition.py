"""Recognition: what a file of a source looks like, compared with the head of a file."""

from collections.abc import Sequence
from dataclasses import dataclass

from spark_jobs.sources.conditions import Condition
from spark_jobs.sources.environment import NO_MEMBERS, Context, Place
from spark_jobs.sources.heads import Head


@dataclass(frozen=True)
class Comparison:
    """How far a head is what a source looks like: how much of what it wants holds, and what does not."""

    held: int
    wanted: int
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Detection:
    """One way to recognize a source: every part that is set must hold. `conditions` have their texts, for errors."""

    kinds: frozenset[str]
    columns: tuple[str, ...]
    any_columns: tuple[str, ...]
    absent_columns: tuple[str, ...]
    variable: str
    conditions: tuple[tuple[str, Condition], ...]

    def compare(self, head: Head) -> Comparison:
        """The comparison with the head; of its values, the one that comes closest counts."""
        if head.kind not in self.kinds:
            return Comparison(0, 1, (f"it is no {' or '.join(sorted(self.kinds))}",))
        columns = frozenset(name_columns(head.columns))
        lacking = [f"the column {name}" for name in self.columns if name not in columns]
        lacking += [f"no column {name}" for name in self.absent_columns if name in columns]
        if self.any_columns and columns.isdisjoint(self.any_columns):
            lacking.append(f"one of the columns {', '.join(self.any_columns)}")
        if self.variable and not head.variable.startswith(self.variable):
            lacking.append(f"a variable that begins with {self.variable}")
        closest = [text for text, _ in self.conditions]
        for value in head.values:
            closest = min(closest, self._list_lacking(value), key=lambda each: len(each))
        lacking += closest
        wanted = len(self.columns) + len(self.absent_columns) + bool(self.any_columns)
        wanted += bool(self.variable) + len(self.conditions)
        return Comparison(wanted - len(lacking), wanted, tuple(lacking))

    def _list_lacking(self, value: object) -> list[str]:
        node = value if isinstance(value, dict) else NO_MEMBERS
        place = Place(node, NO_MEMBERS, Context(0))
        return [text for text, condition in self.conditions if not condition.holds(node, place)]


def name_columns(header: Sequence[str]) -> list[str]:
    """The names of the columns of a CSV file by which tables find them: trimmed, in lower case, without a byte order
    mark; one that stands again gets a number."""
    names: list[str] = []
    for column in header:
        name = column.replace("\ufeff", "").strip().casefold()
        number = 1
        while (f"{name} #{number}" if number > 1 else name) in names:
            number += 1
        names.append(f"{name} #{number}" if number > 1 else name)
    return names
