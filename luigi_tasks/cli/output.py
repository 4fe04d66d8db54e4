"""Output for people: tables and colours on a terminal; plain, whole lines anywhere else."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from luigi_tasks.texts import format_block, format_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

LONGEST_LINE = 2_000
"""Characters of one text that is printed: a sentence with a cause, an advice and the place of a log."""
PLAIN_WIDTH = 1_000_000
"""Columns of the page that plain output is laid out on: more than any line has, so that none is cut or wrapped."""

STANDARD_STREAMS = (0, 1, 2)
"""Their descriptors."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a file or device that takes no more output."""


def prepare_streams() -> None:
    """Have standard streams that the shell closed (`>&-`) lead nowhere: no other file gets their numbers then. What the
    encoding of standard output lacks is escaped."""
    while (opened := os.open(os.devnull, os.O_RDWR)) in STANDARD_STREAMS:
        pass
    os.close(opened)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def discard_output() -> None:
    """Have what is still to be printed lead nowhere, as what reads or keeps it takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_to_stderr(line: str) -> None:
    """Print a line to standard error at once, whatever programs or names of others it holds."""
    print(format_block(line), file=sys.stderr, flush=True)


def make_text(text: object, style: str = "") -> "Text":
    """Return a text as rich shows it: in one line, without anything that would drive the terminal."""
    from rich.text import Text

    return Text(format_line(text, LONGEST_LINE), style)


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with the rich style that it has on a terminal. Piped output does not load rich."""
    if not sys.stdout.isatty():
        for line, _ in lines:
            print(format_line(line, LONGEST_LINE))
        return
    print_renderables([make_text(line, style) for line, style in lines])


def print_renderables(renderables: Sequence["RenderableType"]) -> None:
    """Print what rich renders: in colour and fitted to a terminal, or as plain lines of any length."""
    if not sys.stdout.isatty():
        print("\n".join(render_plain(renderables)))
        return
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    for renderable in renderables:
        console.print(renderable)


def render_plain(renderables: Sequence["RenderableType"]) -> list[str]:
    """The lines of what rich renders: without colours, without spaces at their ends, none cut or wrapped."""
    from rich.console import Console

    page = io.StringIO()
    console = Console(
        file=page,
        width=PLAIN_WIDTH,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    for renderable in renderables:
        console.print(renderable)
    return [line.rstrip() for line in page.getvalue().removesuffix("\n").split("\n")]
