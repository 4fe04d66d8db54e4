"""What makes a landing file broken as a whole: the place and the reason."""

import json
import re

from spark_jobs.extraction.parsing import BLANKS

_CUT_TOKEN = re.compile(rb"|-|\.|[eE][+-]?|\\?u?[0-9a-fA-F]{0,4}|t(ru?)?|f(a(ls?)?)?|n(ul?)?")
"""What is left of a word, a number or an escape where a file ends in the middle of one."""

NOT_UTF8 = "not UTF-8"


class BrokenFile(Exception):
    """The file as a whole cannot be trusted: `offset` is the byte (of the unpacked text), `reason` what is wrong."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset:,}: {reason}")
        self.offset = offset
        self.reason = reason


def describe_parse_error(error: ValueError, content: bytes, offset: int, what: str) -> BrokenFile:
    """Why a file is broken, from the error of `parse_json` on `content`.

    `content` starts at byte `offset` of the file and holds the rest of it; `what` it is: an array or a document.
    """
    cut_short = BrokenFile(offset + len(content), f"the {what} is cut short")
    if isinstance(error, UnicodeDecodeError):
        is_cut = error.end == len(content) and error.reason == "unexpected end of data"
        return cut_short if is_cut else BrokenFile(offset + error.start, NOT_UTF8)
    if not isinstance(error, json.JSONDecodeError):
        return BrokenFile(offset, str(error))
    place = len(error.doc[: error.pos].encode())
    if error.msg.startswith("Unterminated string") or _CUT_TOKEN.fullmatch(content[place:].rstrip(BLANKS)):
        return cut_short
    return BrokenFile(offset + place, f"not valid JSON ({error.msg})")
