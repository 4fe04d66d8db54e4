"""Output for people: tables and colours on a terminal; plain, whole lines anywhere else."""

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_WIDTH = 1_000_000
"""Columns of the page that plain output is laid out on: more than any line has, so that none is cut or wrapped."""


def print_to_stderr(line: str) -> None:
    """Print a line to standard error at once."""
    print(line, file=sys.stderr, flush=True)


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with the rich style that it has on a terminal. Piped output does not load rich."""
    if not sys.stdout.isatty():
        for line, _ in lines:
            print(line)
        return
    from rich.text import Text

    print_renderables([Text(line, style) for line, style in lines])


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
    return [line.rstrip() for line in page.getvalue().splitlines()]
