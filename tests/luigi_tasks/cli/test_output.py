"""What people and scripts get to see: colours on a terminal only, whole plain lines anywhere else."""

import os
import subprocess
import sys

import pytest
from rich.table import Table
from rich.text import Text

from luigi_tasks.cli import output

LONG = "[bold]luigi.cfg[/bold], :smile: section [spark]: " + "a reason that goes on, " * 500 + "and ends"


def make_table() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(Text("fail", "red"), LONG, "")
    table.add_row("ok", "short", "x")
    return table


def test_render_plain__neither_cuts_nor_wraps_nor_colours_nor_interprets(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    lines = output.render_plain([Text("head", "bold"), make_table()])
    assert lines[:2] == ["head", f"fail  {LONG}"]
    assert lines[2].split() == ["ok", "short", "x"]
    assert len(lines) == 3


def test_print_renderables__is_plain_where_output_is_piped(capsys):
    output.print_renderables([make_table()])
    output.print_lines([("an answer", "green")])
    assert capsys.readouterr().out == "\n".join([*output.render_plain([make_table()]), "an answer", ""])


@pytest.mark.parametrize("printed", ["print_lines([('[x]', 'red')])", "print_renderables([Text('[x]', 'red')])"])
def test_print__colours_on_a_terminal(printed):
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", f"from rich.text import Text; from luigi_tasks.cli.output import *; {printed}"]
    without = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(command, stdout=theirs, env=without | {"TERM": "xterm"}, timeout=60, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown == "\033[31m[x]\033[0m\r\n"
