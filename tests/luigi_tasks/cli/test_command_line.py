"""The command `socialmart` as a shell sees it: what it takes, what it prints where, and its exit codes."""

import importlib.metadata
import os
import pty
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from project import PROGRAMS, MakeProject, Project, free_ports

from luigi_tasks.cli.main import CommandGroup, main
from luigi_tasks.errors import PipelineError

COMMANDS_OF_PROJECTS = sorted(
    {*main.commands, "privacy record", "audit show", "audit verify", "roles print", "roles apply", "roles check"}
    - {"doctor", "java", "privacy", "audit", "roles"}
)
SOCIALMART = str(PROGRAMS / "socialmart")
HEAVY = ("rich", "plotly", "jinja2", "apprise")


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    """A project before its first run."""
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann"}])
    return made


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`socialmart ARGUMENTS`, its standard output and standard error kept apart."""
    return subprocess.run(
        [SOCIALMART, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_version__is_that_of_the_package():
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"socialmart {importlib.metadata.version('socialmart')}\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["sumary"], "Error: No such command 'sumary'"),
        (["explain", "--jsn"], "Error: No such option '--jsn'"),
        (["run", "--jsn"], "Error: No such option '--jsn'"),
        (["cluster", "--port", "many"], "Error: Invalid value for '--port': 'many' is not a valid integer"),
        (["cluster", "--port", "0"], "Error: Invalid value for '--port': 0 is not in the range"),
        (["cluster", "--port", "65534"], "Error: --port 65534: 2 workers need ports up to 65537"),
        (["cluster", "--workers", "-1"], "Error: Invalid value for '--workers': -1 is not in the range"),
        (["cluster", "--cores", "0"], "Error: Invalid value for '--cores': 0 is not in the range"),
        (["cluster", "--memory", "much"], "Error: --memory much: expected a number with a unit, such as 512m or 2g"),
        (["dashboard", "--port", "99999"], "Error: Invalid value for '--port': 99999 is not in the range"),
        (["cluster", "--memory", "1m"], "Error: --memory 1m: expected 512m at least"),
        (["cluster", "--memory", "0g"], "Error: --memory 0g: expected 512m at least"),
        (["cluster", "--memory", "524287K"], "Error: --memory 524287K: expected 512m at least"),
        (["rejected", "--json", "--export", "-"], "Error: --json and --export exclude each other"),
        ([], "Usage: socialmart [OPTIONS] COMMAND"),
    ],
)
def test_wrong_command_line__exits_2_and_says_what_is_wrong(arguments, error):
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert error in ended.stderr


@pytest.mark.parametrize("command", main.commands)
def test_help__describes_every_command(command):
    ended = CliRunner().invoke(main, [command, "--help"], prog_name="socialmart")
    assert ended.exit_code == 0
    assert ended.output.startswith(f"Usage: socialmart {command} [OPTIONS]")


def test_help__shows_every_command_with_a_whole_sentence():
    listed = run("--help").stdout.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == list(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_pipeline_error__is_one_sentence_on_standard_error(project):
    ended = run("summary", folder=project.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "socialmart: there was no run yet; start one with make run\n"


def test_exit_code__is_the_one_that_the_command_returns():
    def interrupt() -> None:
        raise KeyboardInterrupt

    def fail() -> None:
        raise PipelineError("a server is missing; start it")

    callbacks = {"none": lambda: None, "seven": lambda: 7, "interrupted": interrupt, "failed": fail}
    group = CommandGroup(commands={name: click.Command(name, callback=run) for name, run in callbacks.items()})
    ended = {name: CliRunner().invoke(group, [name]) for name in callbacks}
    assert {name: each.exit_code for name, each in ended.items()} == {
        "none": 0,
        "seven": 7,
        "interrupted": 128 + signal.SIGINT,
        "failed": 1,
    }


def test_output__that_nobody_reads_any_more_ends_the_command_quietly(project):
    reader, writer = os.pipe()
    os.close(reader)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        [SOCIALMART, "explain"], cwd=project.folder, env=buffered, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("arguments", ["explain", "explain --json", "doctor --json"])
def test_output__that_finds_no_room_is_a_sentence(project, arguments):
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [SOCIALMART, *arguments.split()], cwd=project.folder, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.decode() == (
        "socialmart: standard output cannot be written (No space left on device); make room, or send it elsewhere\n"
    )


@pytest.mark.parametrize("arguments", ["explain", "explain --json", "doctor", "java"])
def test_output__that_the_shell_closed_is_no_fault(project, arguments):
    ended = project.bash(f"exec '{SOCIALMART}' {arguments} >&- 2>&-")
    assert (ended.code, ended.output) == (0, "")


@pytest.mark.parametrize("command", ["summary", "explain", "rejected"])
def test_locale__without_utf8_is_refused_by_every_command(project, command):
    ended = project.bash(f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 '{SOCIALMART}' {command}")
    assert ended.code == 1
    assert ended.output.startswith("socialmart: the locale reads the names of files as ascii, UTF-8 expected; ")


def test_output__in_an_encoding_that_lacks_a_character_escapes_it(project):
    project.land("é.json", [{"user_id": "eve"}])
    ended = project.bash(f"PYTHONIOENCODING=ascii '{SOCIALMART}' explain")
    assert ended.code == 0
    assert "Extract \\xe9: its checkpoint is missing" in ended.output


def test_dashboard__refuses_an_empty_address_which_would_be_all(project):
    ended = run("dashboard", "--address", "", folder=project.folder)
    assert ended.returncode == 2
    assert "--address is empty: expected an address of this machine" in ended.stderr


def test_start__loads_no_heavy_module():
    command = f"import sys, luigi_tasks.cli.main; print(set({HEAVY}) & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "--json"], ["doctor", "--json"]])
def test_piped_output__that_has_no_table_is_made_without_heavy_modules(project, arguments):
    timed = [sys.executable, "-X", "importtime", SOCIALMART, *arguments]
    ended = subprocess.run(timed, cwd=project.folder, capture_output=True, text=True, timeout=120, check=False)
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert ended.stdout and "click" in imported
    assert imported.isdisjoint(HEAVY)


def test_client__gets_all_arguments_in_their_order_and_gives_its_exit_code(project):
    options = ["-X", "--variable", "name=value", "-d", "postgres", "-Atc", "select current_database()"]
    ended = run("psql", *options, "--no-psqlrc", "-c", "select 2", folder=project.folder)
    assert (ended.returncode, ended.stdout) == (0, "postgres\n2\n")
    assert run("psql", "-h", "/nowhere", "-c", "select 1", folder=project.folder).returncode == 2
    assert "PostgreSQL" in run("psql", "--", "--help", folder=project.folder).stdout
    ended = run("pg_dump", "-Fc", "--file", "whole.dump", "--schema-only", folder=project.folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "dbname: warehouse" in run("pg_restore", "--list", "whole.dump", folder=project.folder).stdout


@pytest.mark.parametrize("command", COMMANDS_OF_PROJECTS)
def test_folder_without_project__is_said_as_luigi_does_and_stays_empty(tmp_path, command):
    luigi = [PROGRAMS / "luigi", "--module", "luigi_tasks", "RunAll"]
    expected = subprocess.run(luigi, cwd=tmp_path, capture_output=True, text=True, check=False)
    ended = run(*command.split(), folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", expected.stderr)
    assert ended.stderr.startswith(f"luigi.cfg: none with a section [retcode] is in {tmp_path}; go to the folder")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("task", ["foo", "RunAl", "config", ""])
def test_task_that_is_none__is_one_sentence(project, task):
    ended = run("run", task, folder=project.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(
        f"luigi: there is no task {task!r}; expected one of: " if task else "No task specified"
    )
    assert len(ended.stderr.splitlines()) == 1


def test_cluster__refuses_a_port_that_is_taken(project):
    port = free_ports(3)
    with socket.create_server(("127.0.0.1", port + 1)):
        ended = run("cluster", "--port", str(port), "--workers", "1", folder=project.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"socialmart: port {port + 1} of 127.0.0.1 is in use; ")


@pytest.mark.parametrize("place", [["--address", "nowhere.invalid"], ["--address", "192.0.2.1"]])
def test_dashboard__says_that_it_cannot_listen_where_it_was_told_to(project, place):
    ended = run("dashboard", "--port", str(free_ports(1)), *place, folder=project.folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"socialmart: dashboard: nothing listens on {place[1]}:") or "in use" in ended.stderr


def test_psql__has_ctrl_c_for_itself(project):
    """As in a terminal: the key sends SIGINT to socialmart and psql alike."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(project.folder)
        os.execv(SOCIALMART, ["socialmart", "psql", "-X", "-P", "pager=off"])
    read_until(terminal, b"=# ")
    os.write(terminal, b"do $$ begin raise notice 'asleep'; perform pg_sleep(50); end $$;\n")
    read_until(terminal, b"NOTICE:  asleep")
    os.write(terminal, b"\x03")
    read_until(terminal, b"canceling statement due to user request")
    os.write(terminal, b"select 40 + 2 as answer;\n")
    read_until(terminal, b"(1 row)")
    read_until(terminal, b"=# ")
    os.write(terminal, b"\x03")
    read_until(terminal, b"=# ")
    os.write(terminal, b"\\q\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)


def read_until(terminal: int, expected: bytes) -> None:
    """Read what a terminal shows, up to what is expected and not a byte further: that is the next call's."""
    shown = b""
    while not shown.endswith(expected):
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 1)


def test_client__is_ended_by_a_signal_that_ends_the_command(project):
    command = [SOCIALMART, "psql", "-X", "-c", "select 'ready'", "-c", "select pg_sleep(50)"]
    process = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    while b"ready" not in process.stdout.readline():
        pass
    process.terminate()
    process.communicate(timeout=60)  # which waits until psql has closed its output, too
    assert process.returncode == 128 + signal.SIGTERM
