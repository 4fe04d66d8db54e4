"""Texts as exports write them, and what they say: HTML, escapes, hashtags, lists in a cell, reactions."""

import hashlib
import html
import json
import re
from typing import Any

from spark_jobs.schemas import REACTIONS

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"</(?:p|div|li|blockquote|h[1-6])>\s*(?=<)", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HASHTAG = re.compile(r"(?:(?<=\s)|(?<=^)|(?<=[(\[\"'.,;:!?¿¡]))[#\uff03](?=\w*[^\W\d])(\w+)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_NO_MATTER = dict.fromkeys((0xFE0F, *range(0x1F3FB, 0x1F400)))
"""In an emoji: that it is drawn in colours, and the colour of a skin."""

EMOJI = {
    "👍": "like",
    "❤": "love",
    "😮": "wow",
    "🤯": "wow",
    "😱": "wow",
    "😂": "haha",
    "🤣": "haha",
    "😢": "sad",
    "😭": "sad",
    "😡": "angry",
    "🤬": "angry",
}
"""The reaction that an emoji is; all others are other reactions."""


def strip_html(text: str) -> str:
    """The text of HTML: paragraphs are parted by an empty line, breaks are line breaks."""
    if "<" in text:
        text = _TAG.sub("", _PARAGRAPH.sub("\n\n", _BREAK.sub("\n", text)))
    return (html.unescape(text) if "&" in text else text).strip()


def unescape(text: str) -> str:
    """A text in which only &, < and > were escaped."""
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def repair_mojibake(text: str) -> str:
    """UTF-8 that was read as Latin-1, as in Facebook's download; any other text stays as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def drop_commas(text: str) -> str:
    """A number without the commas of its thousands."""
    return text.replace(",", "") if _THOUSANDS.fullmatch(text.strip()) else text


def find_hashtags(text: str) -> list[str]:
    """The hashtags in a text, without the #."""
    return _HASHTAG.findall(text) if "#" in text or "\uff03" in text else []


def split_list(text: str, separator: str = ",") -> list[Any]:
    """The elements of a list in a cell, written as a JSON array or with a separator."""
    trimmed = text.strip()
    if trimmed.startswith("["):
        try:
            value = json.loads(trimmed, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, list):
            return value
    return [part.strip() for part in trimmed.split(separator) if part.strip()]


def join_parts(value: object) -> object:
    """The text of a list of texts and of objects with a `text`, as Telegram writes it; anything else as it is."""
    if not isinstance(value, list):
        return value
    parts = [part.get("text") if isinstance(part, dict) else part for part in value]
    return "".join(part for part in parts if isinstance(part, str))


def read_json_parts(text: str) -> str:
    """The text of JSON objects with a `text`, parted by commas without brackets, as Takeout writes a comment; until
    2024 they stood in one object around them."""
    try:
        value = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return text
    if len(value) == 1 and isinstance(value[0], dict) and isinstance(value[0].get("takeoutSegments"), list):
        value = value[0]["takeoutSegments"]
    return str(join_parts(value)) if all(isinstance(part, dict) for part in value) else text


def digest(text: str) -> str:
    """The MD5 of a text, as a key."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def classify_emoji(emoji: object) -> str:
    """The field of the reaction that an emoji is."""
    name = EMOJI.get(emoji.translate(_NO_MATTER)) if isinstance(emoji, str) else None
    return name or "other_reactions"


def count_left_over(total: object, counts: dict[str, Any]) -> str | None:
    """The reactions that are none of the six: the reported total less the six; None without a total."""
    try:
        rest = int(str(total)) - sum(int(counts[name]) for name in REACTIONS if name in counts)
    except (TypeError, ValueError):
        return None
    return str(max(rest, 0))
