"""The records in one JSON object: the elements of a list in it, and what else it says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spark_jobs.extraction.parsing import parse_value_at, skip_blanks
from spark_jobs.extraction.source_record import SourceRecord

LAST_FILLED, LAST, FIRST = "last filled", "last", "first"
"""Which list counts where its key stands twice in an object."""


class UnexpectedText(ValueError):
    """A text is not one JSON object. What is wrong with it tells whatever reads the file as a whole."""


@dataclass(frozen=True)
class ListedElement:
    """An element of a list: the indices in the text where it starts and ends, and its value."""

    start: int
    end: int
    value: object


@dataclass(frozen=True)
class ObjectWithRecords:
    """The records of an object, and its other members, without the list."""

    text: str
    elements: Sequence[ListedElement]
    others: Mapping[str, object]

    def list_records(self, start: int) -> Iterator[SourceRecord]:
        """The records; `start` is the byte of the file where the text starts."""
        counted = 0
        for element in self.elements:
            between = self.text[counted : element.start]
            start += len(between) if between.isascii() else len(between.encode())
            counted = element.start
            yield SourceRecord(start, self.text[element.start : element.end], element.value)


def find_records(text: str, paths: Sequence[str], choice: str = LAST_FILLED) -> ObjectWithRecords | None:
    """The elements of the list to which one of these paths (`data`, `data.children`) leads.

    None where none does, and where several do: the object is then one record, in which the source finds them all.
    Raises ValueError and RecursionError where the text is not one JSON object.
    """
    found = None
    for path in paths:
        names = tuple(path.split("."))
        lists: list[list[ListedElement]] = []
        if all(f'"{name}"' in text for name in names):
            others, end = _parse_object(text, skip_blanks(text, 0), names, lists)
            if skip_blanks(text, end) != len(text):
                raise UnexpectedText
            if lists and found is not None:
                return None
            if lists:
                found = ObjectWithRecords(text, _choose_list(lists, choice), others)
    return found


def _choose_list(lists: list[list[ListedElement]], choice: str) -> list[ListedElement]:
    if choice == FIRST:
        return lists[0]
    filled = [each for each in lists if each] if choice == LAST_FILLED else []
    return (filled or lists)[-1]


def _parse_object(
    text: str, start: int, names: tuple[str, ...], lists: list[list[ListedElement]]
) -> tuple[dict[str, object], int]:
    """The members of an object, and the index of its end. The lists under the names are added to `lists` instead."""
    place = _skip(text, start, "{")
    members: dict[str, object] = {}
    while text[place : place + 1] != "}" or members:
        if text[place : place + 1] != '"':
            raise UnexpectedText
        key, place = parse_value_at(text, place)
        place = _skip(text, place, ":")
        following = text[place : place + 1]
        if key == names[0] and len(names) == 1 and following == "[":
            elements, place = _parse_elements(text, place)
            lists.append(elements)
        elif key == names[0] and len(names) > 1 and following == "{":
            members[names[0]], place = _parse_object(text, place, names[1:], lists)
        else:
            members[str(key)], place = parse_value_at(text, place)
        place = skip_blanks(text, place)
        if text[place : place + 1] == "}":
            break
        place = _skip(text, place, ",")
    return members, place + 1


def _parse_elements(text: str, start: int) -> tuple[list[ListedElement], int]:
    place = _skip(text, start, "[")
    elements: list[ListedElement] = []
    while text[place : place + 1] != "]" or elements:
        value, end = parse_value_at(text, place)
        elements.append(ListedElement(place, end, value))
        place = skip_blanks(text, end)
        if text[place : place + 1] == "]":
            break
        place = _skip(text, place, ",")
    return elements, place + 1


def _skip(text: str, start: int, delimiter: str) -> int:
    """The index of what follows a delimiter."""
    place = skip_blanks(text, start)
    if text[place : place + 1] != delimiter:
        raise UnexpectedText
    return skip_blanks(text, place + 1)
