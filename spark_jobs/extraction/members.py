"""Members of archives: which of them are read, and by what names."""

import re
from dataclasses import dataclass

from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.javascript import find_assignment

MEDIA, LINK, HIDDEN, SCRIPT = "pictures, sounds, videos or pages", "links or devices", "hidden files", "scripts"
"""What is left alone in an archive."""
HEAD_BYTES = 4096
"""How much of a script is looked at to see whether it holds data."""

_MEDIA_NAME = re.compile(
    r"\.(jpe?g|png|gif|webp|heic|heif|bmp|tiff?|svg|ico|avif|mp4|m4v|mov|avi|mkv|webm|3gp|mp3|m4a|aac|ogg|oga|opus|wav|"
    r"flac|amr|woff2?|ttf|otf|eot|html?|xhtml|css|map|pdf|vcf|ics|mbox|eml|srt|tgs|md)$|(^|/)(readme|license)(\.txt)?$",
    re.IGNORECASE,
)
_HIDDEN_NAME = re.compile(r"(^|/)([._]|~\$|(thumbs\.db|desktop\.ini)$)", re.IGNORECASE)
_LEADS_OUT = re.compile(r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)")
_NOT_IN_NAMES = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_THIS_FOLDER = re.compile(r"^(\./+)+")


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name there, and its unpacked bytes.

    `offset`: in a zip archive, the byte of the archive where its header starts; in a tar archive, the byte of the
    unpacked archive where its content starts. The rest is of zip: how many bytes it has packed, the number of the
    method (None: a tar archive), and the checksum.
    """

    name: str
    size: int
    offset: int
    packed_size: int = 0
    method: int | None = None
    checksum: int = 0


def check_name(written: str) -> str:
    """The name of a member, by which it is known. Raises BrokenFile for one that no file of a batch may have."""
    name = _THIS_FOLDER.sub("", written)
    shown = name.encode("unicode_escape").decode("ascii") if _NOT_IN_NAMES.search(name) else name
    if _LEADS_OUT.search(name):
        raise BrokenFile(0, f"the archive's member {shown} leads out of its folder: pack the archive anew")
    if shown != name or not name:
        raise BrokenFile(
            0, f"the name of the archive's member {shown} is not UTF-8, or holds control characters: rename it"
        )
    return name


def describe_damage(kind: str, reason: object, offset: int = 0) -> BrokenFile:
    """Why a zip or tar archive is broken as a whole."""
    return BrokenFile(offset, f"damaged {kind} archive ({reason})")


def find_reason_to_leave(written: str) -> str:
    """What a member is, by its name, that is left alone; "" for one to read."""
    name = _THIS_FOLDER.sub("", written)
    if _HIDDEN_NAME.search(name) and not _LEADS_OUT.search(name):
        return HIDDEN
    return MEDIA if _MEDIA_NAME.search(name) else ""


def is_script(name: str, head: bytes) -> bool:
    """Whether a member is a program, and no data behind an assignment."""
    return name.lower().endswith(".js") and find_assignment(head) is None
