"""Kinds of settings, with the limits that they share."""

import operator
import re
import sys
from typing import Any

import luigi

MOST_SECONDS = 2_000_000
"""The server counts milliseconds in 32 bits."""
MOST_OF_ANYTHING = 1_000_000


def whole_number(default: int, least: int, most: int, description: str) -> Any:
    """A setting that is a whole number within limits."""
    return luigi.NumericalParameter(
        default=default, var_type=int, min_value=least, max_value=most, right_op=operator.le, description=description
    )


def amount(default: float, description: str) -> Any:
    """A setting that is any number from 0 on."""
    return luigi.NumericalParameter(
        default=default, var_type=float, min_value=0.0, max_value=sys.float_info.max, description=description
    )


class RolePrefix(luigi.Parameter):
    """The beginning of roles' names, which are quoted nowhere, and have 63 characters at most."""

    def parse(self, text: str) -> str:
        """Return the prefix. Raises ValueError for what is none."""
        if not re.fullmatch(r"([a-z_][a-z0-9_]{0,39})?", text) or text.startswith("pg_"):
            raise ValueError(f"{text!r} is not the beginning of a role's name")
        return text
