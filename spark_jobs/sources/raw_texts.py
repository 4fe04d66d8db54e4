"""The exact text of a part of a record, found only where a row has to keep it."""

import json
from typing import Any

from spark_jobs.extraction.parsing import parse_value_at, skip_blanks


def find_raw_text(text: str, value: Any, node: Any) -> str:
    """The text of `node`, a part of `value`, in the text of `value`; the whole text where it cannot be told."""
    if node is value:
        return text
    steps = _find_steps(value, node)
    if steps is None:
        return text
    try:
        for step in steps:
            text = _enter(text, step)
    except (ValueError, IndexError, RecursionError):
        return json.dumps(node, ensure_ascii=False)
    return text


def _find_steps(value: Any, node: Any) -> tuple[Any, ...] | None:
    """The names and numbers that lead from a value to a part of it."""
    pending: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    while pending:
        each, steps = pending.pop()
        if each is node:
            return steps
        if isinstance(each, dict):
            pending += [(inner, (*steps, name)) for name, inner in each.items()]
        elif isinstance(each, list):
            pending += [(inner, (*steps, number)) for number, inner in enumerate(each)]
    return None


def _enter(text: str, step: Any) -> str:
    """The text of a member or an element of a JSON text; of a name that stands twice the last."""
    place = skip_blanks(text, skip_blanks(text, 0) + 1)
    number, found = 0, ""
    while text[place] not in "}]":
        name: object = number
        if isinstance(step, str):
            name, place = parse_value_at(text, place)
            place = skip_blanks(text, skip_blanks(text, place) + 1)
        _, end = parse_value_at(text, place)
        if name == step:
            found = text[place:end]
        place = skip_blanks(text, end)
        place = skip_blanks(text, place + 1) if text[place] == "," else place
        number += 1
    return found
