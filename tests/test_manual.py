"""The documentation and the code say the same.

A message is a text that people get to read: in an error, a warning, a remark or a reason. With … for each part that
varies, the messages in the code are exactly those in docs/troubleshooting.md.
"""

import ast
import configparser
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from luigi_tasks import paths
from luigi_tasks.spark import known_errors
from luigi_tasks.warehouse import server_errors

DOCS = paths.PROJECT / "docs"
TROUBLESHOOTING, ARCHITECTURE = DOCS / "troubleshooting.md", DOCS / "architecture.md"
PAGES = [*sorted(paths.PROJECT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
MODULES = sorted(path for root in ("luigi_tasks", "spark_jobs") for path in (paths.PROJECT / root).rglob("*.py"))

READ = {
    "PipelineError": 0,
    "TransientError": 0,
    "SilentRunError": 0,
    "BatchStopped": 0,
    "MessageError": 0,
    "SystemExit": 0,
    "UsageError": 0,
    "ValueError": 0,
    "UnknownSource": 0,
    "BrokenFile": 1,
    "BrokenSource": 2,
    "Result": 1,
    "Anomaly": 2,
    "warning": 0,
    "error": 0,
    "make_pipeline_error": 0,
    "_describe_failure": 1,
    "Refused": 0,
    "make_refused": 2,
    "_make_faulty": 1,
}
"""Calls with a message among their arguments: the name of the function or class, and the argument's position."""
REASONS = {"describe_lock_holders"}
"""Functions that always return a message. All others are found by their type, `str | None`: a reason, or none."""
LISTS = {"faults", "remarks"}
"""Names of lists of messages."""
FEWEST_WORDS = 2
"""A text with fewer words consists of its varying parts alone, and cannot be searched for."""
VARIES = "…"


def test_troubleshooting__has_every_message_of_the_code():
    missing = {message: place for message, place in messages().items() if message not in documented()}
    assert not missing, "docs/troubleshooting.md has no entry for what the code says:\n" + "\n".join(
        f"  {place}:\n- `{message}`" for message, place in missing.items()
    )


def test_troubleshooting__has_no_message_that_the_code_does_not_have():
    unknown = {message: line for message, line in documented().items() if message not in messages()}
    assert not unknown, "the code no longer says what docs/troubleshooting.md has:\n" + "\n".join(
        f"  line {line}: `{message}`" for message, line in unknown.items()
    )


def test_troubleshooting__has_every_exit_code():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(paths.PROJECT / "luigi.cfg")
    section = TROUBLESHOOTING.read_text(encoding="utf-8").split("## Exit codes")[1].split("\n## ")[0]
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE) for code in row.split(",")}
    of_luigi = {int(code) for code in parser["retcode"].values()}
    assert of_luigi <= listed, f"docs/troubleshooting.md has no exit code {sorted(of_luigi - listed)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links__lead_somewhere(page: Path):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name}: {target} is not there"
        assert not anchor or anchor in _anchors(place), f"{page.name}: {place.name} has no heading #{anchor}"


def _anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages__name_only_files_that_exist(page: Path):
    named = set(
        re.findall(r"`((?:luigi_tasks|spark_jobs|dbt_project|tests|bench|containers|docs)/[\w./-]+)`", page.read_text())
    )
    lost = sorted(name for name in named if not (paths.PROJECT / name).exists())
    assert not lost, f"{page.name} names files that do not exist: {', '.join(lost)}"


def test_architecture__describes_every_package_once():
    described = Counter(re.findall(r"^ *- `((?:luigi_tasks|spark_jobs)/[\w/]*)`: ", _architecture(), re.MULTILINE))
    packages = Counter(f"{path.parent.relative_to(paths.PROJECT)}/" for path in MODULES if path.name == "__init__.py")
    missing, unknown = packages - described, described - packages
    assert not missing, f"docs/architecture.md does not describe {', '.join(sorted(missing))}"
    assert not unknown, f"docs/architecture.md describes twice, or without need: {', '.join(sorted(unknown))}"


def test_architecture__names_only_what_is_there():
    named = set(re.findall(r"`((?:luigi_tasks|spark_jobs)\.[\w.]+)`", _architecture()))
    assert named
    lost = sorted(name for name in named if not _is_there(name))
    assert not lost, f"docs/architecture.md names what is not in the code: {', '.join(lost)}"


def _is_there(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    try:
        pkgutil.resolve_name(name)
        return True
    except (ImportError, AttributeError):
        return False


def _architecture() -> str:
    return ARCHITECTURE.read_text(encoding="utf-8")


@cache
def documented() -> dict[str, int]:
    """The messages in docs/troubleshooting.md (list items that are one code span), each with its line number."""
    lines = TROUBLESHOOTING.read_text(encoding="utf-8").splitlines()
    found = [(match[1], number) for number, line in enumerate(lines, 1) if (match := re.fullmatch("- `(.+)`", line))]
    twice = [message for message, count in Counter(message for message, _ in found).items() if count > 1]
    assert not twice, f"docs/troubleshooting.md has these twice: {twice}"
    return dict(found)


@cache
def messages() -> dict[str, str]:
    """The messages in the code, each with its file and line."""
    found = {}
    for path in sorted(set(MODULES) - {Path(str(module.__file__)) for module in (server_errors, known_errors)}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
            for node in _read_by_people(function):
                for text in _texts(node, _named(tree) | _named(function)):
                    found[_pattern(text)] = f"{path.relative_to(paths.PROJECT)}, line {node.lineno}"
    for kind in (*server_errors.KINDS, server_errors.OTHER):
        found[str(server_errors.make_pipeline_error("", kind, VARIES))] = _file(server_errors)
    for one in (*known_errors.KINDS, *known_errors.START_KINDS, known_errors.NOT_STARTED):
        filled = f"{VARIES}: {one.meaning}; nothing was changed; {one.advice}; the whole log: {VARIES}"
        found[re.sub(r"\{[^}]*\}", VARIES, filled)] = _file(known_errors)
    return {message: place for message, place in found.items() if _words(message) >= FEWEST_WORDS}


def _file(module: ModuleType) -> str:
    return str(Path(str(module.__file__)).relative_to(paths.PROJECT))


def _pattern(text: str) -> str:
    """A text on one line, with … for each placeholder of logging."""
    return re.sub(f"{VARIES}+", VARIES, re.sub(r"%[sd]|%\.1f", VARIES, " ".join(text.split())))


def _words(message: str) -> int:
    return len(re.findall(r"[A-Za-z]{2,}", message))


def _read_by_people(function: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a function that may be messages; functions within it are left out."""
    returns_reason = isinstance(function, ast.FunctionDef) and (
        function.name in REASONS or (function.returns is not None and "str | None" in ast.unparse(function.returns))
    )
    for node in _of_itself(function):
        match node:
            case ast.Call(ast.Name("Result"), [ast.Name("OK"), *_]):
                continue
            case ast.Call(ast.Attribute(ast.Name(name) | ast.Attribute(attr=name), "append"), [value]) if name in LISTS:
                yield value
            case ast.Call(ast.Name(name) | ast.Attribute(attr=name), values) if name in READ:
                yield from values[READ[name] :][:1]
            case ast.Return(ast.expr() as value) if returns_reason:
                yield value
            case ast.Assign([ast.Name(name)], value) if name in LISTS:
                yield value
            case ast.Dict(keys, values):
                yield from (
                    value for key, value in zip(keys, values, strict=True) if getattr(key, "value", "") in LISTS
                )


def _of_itself(function: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from _of_itself(node)


def _named(function: ast.AST) -> dict[str, ast.expr]:
    """The texts that a function assigns to names."""
    found = {}
    for node in _of_itself(function):
        match node:
            case ast.Assign([ast.Name(name)], ast.JoinedStr() | ast.Constant(str()) as value):
                found[name] = value
    return found


def _texts(node: ast.expr, named: dict[str, ast.expr]) -> Iterator[str]:
    """The texts that an expression may evaluate to."""
    match node:
        case ast.Constant(str() as text):
            yield text
        case ast.JoinedStr(parts):
            yield "".join(_part(part, named) for part in parts)
        case ast.Name(name) if name in named:
            yield from _texts(named[name], {})
        case ast.IfExp(_, yes, no):
            yield from (*_texts(yes, named), *_texts(no, named))
        case ast.BoolOp(_, values) | ast.Tuple(values) | ast.List(values):
            for value in values:
                yield from _texts(value, named)


def _part(part: ast.expr, named: dict[str, ast.expr]) -> str:
    """A part of an f-string: its text, the text that it names, or … for anything else."""
    if isinstance(part, ast.FormattedValue):
        return next(_texts(part.value, named), VARIES) if isinstance(part.value, ast.Name) else VARIES
    return str(part.value)
