"""Times of the exports as the pipeline writes them: `yyyy-MM-dd HH:mm:ss[.ffffff]` in UTC.

What cannot be read stays as it is: Clean makes an issue of it.
"""

import re
from datetime import UTC, datetime, timedelta

ZONES = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
}
"""Minutes from UTC, by the names that exports use."""
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""Units of a time that is a number, by name."""
FEWEST_EPOCH_DIGITS = 9
"""Digits of a number at least, where a text may be a time of any form: fewer are a year or a date."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?"
_ZONE = r"(?: ?([A-Z]{1,4}|[+-]\d{2}(?::?\d{2})?))?"
_ISO = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:[T ]{_CLOCK}{_ZONE})?", re.ASCII)
_TWITTER = re.compile(rf"[A-Z][a-z]{{2}} ([A-Z][a-z]{{2}}) (\d{{2}}) {_CLOCK} ([+-]\d{{4}}) (\d{{4}})", re.ASCII)
_DAY_FIRST = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}})(?:,? {_CLOCK}{_ZONE})?", re.ASCII)
_AMERICAN = re.compile(rf"(\d{{1,2}})/(\d{{1,2}})/(\d{{4}})(?: {_CLOCK}{_ZONE})?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})?")
_EPOCH = re.compile(r"(-?\d+)(?:\.(\d+))?", re.ASCII)
_START = datetime(1970, 1, 1, tzinfo=UTC)


def read_offset(text: str) -> int:
    """Minutes of an offset from UTC such as -05:00. Raises ValueError."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no offset such as -05:00")
    sign, hours, minutes = found.groups()
    total = int(hours) * 60 + int(minutes or 0)
    return -total if sign == "-" else total


def write_time(text: str, offset: int = 0, is_day_first: bool = False) -> str:
    """A time that is a text, in any form above. `offset`: minutes from UTC of those that do not say theirs.
    `is_day_first`: 4/5/2018, 4.5.2018 and 4-5-2018 are of May."""
    trimmed = text.strip()
    if found := _ISO.fullmatch(trimmed):
        year, month, day, hour, minute, second, fraction, zone = found.groups()
    elif found := _TWITTER.fullmatch(trimmed):
        name, day, hour, minute, second, fraction, zone, year = found.groups()
        month = _MONTH_NUMBERS.get(name, "")
    elif is_day_first and (found := _DAY_FIRST.fullmatch(trimmed)):
        day, _, month, year, hour, minute, second, fraction, zone = found.groups()
    elif not is_day_first and (found := _AMERICAN.fullmatch(trimmed)):
        month, day, year, hour, minute, second, fraction, zone = found.groups()
    else:
        return text
    date = f"{year}-{month.rjust(2, '0')}-{day.rjust(2, '0')}"
    if hour is None:
        return f"{date} 00:00:00"
    clock = f"{hour.rjust(2, '0')}:{minute}:{second or '00'}"
    part = (fraction or "")[:6].rstrip("0")
    minutes = offset if zone is None else ZONES.get(zone)
    if minutes is None:
        found = _OFFSET.fullmatch(zone)
        if found is None:
            return text
        minutes = read_offset(zone)
    if minutes:
        try:
            moved = datetime.fromisoformat(f"{date} {clock}") - timedelta(minutes=minutes)
        except (ValueError, OverflowError):
            return text
        date, clock = moved.isoformat(" ").split(" ")
    return f"{date} {clock}.{part}" if part else f"{date} {clock}"


def write_epoch(text: str, per_second: int = 1) -> str:
    """A time that is the number of units since 1970."""
    if text.isdecimal() and per_second == 1:
        try:
            return datetime.fromtimestamp(int(text), UTC).isoformat(" ")[:19]
        except (ValueError, OverflowError, OSError):
            return text
    found = _EPOCH.fullmatch(text.strip())
    if found is None:
        return text
    whole, fraction = found.groups()
    digits = ((fraction or "") + "000000")[:6]
    micros = (int(whole + digits)) // per_second
    try:
        moved = _START + timedelta(microseconds=micros)
    except (ValueError, OverflowError):
        return text
    written = moved.isoformat(" ").removesuffix("+00:00")
    return written.rstrip("0") if "." in written else written


def write_any_epoch(text: str) -> str:
    """The same in the unit that the number's length tells: of 12 digits or more milliseconds, of 15 or more
    microseconds. A shorter number is no such time."""
    digits = text.strip().lstrip("-").split(".")[0]
    if not digits.isdecimal() or len(digits) < FEWEST_EPOCH_DIGITS:
        return text
    unit = "us" if len(digits) >= 15 else "ms" if len(digits) >= 12 else "s"
    return write_epoch(text, PER_SECOND[unit])


def write_any_time(text: str, offset: int = 0, is_day_first: bool = False) -> str:
    """A time that is a text or a number of such a length."""
    written = write_any_epoch(text)
    return write_time(text, offset, is_day_first) if written is text else written
