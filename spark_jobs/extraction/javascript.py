"""JavaScript files that hold data, as archives of X do: a variable is assigned an array or an object."""

import re

_ASSIGNMENT = re.compile(
    rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:(?:var|let|const)[ \t\r\n]+)?"
    rb"([A-Za-z_$][\w$]*(?:\.[\w$]+|\[[\w\"']+\])*)[ \t\r\n]*=[ \t\r\n]*(?=[\[{][ \t\r\n]*(?:[\[{\"\]}]|$))"
)
LONGEST_ASSIGNMENT = 1000
"""Bytes at most before the value."""


def find_assignment(head: bytes) -> tuple[str, int] | None:
    """The variable that a file which begins with `head` assigns data to, and the byte where its value starts."""
    found = _ASSIGNMENT.match(head[:LONGEST_ASSIGNMENT])
    return (found[1].decode("ascii"), found.end()) if found else None
