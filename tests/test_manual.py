"""The manual in docs/ and the code say the same.

A message is a text that stands where people get to read it: in an error, a warning, a remark, a reason. With … for each
part that varies, the messages of the code are those of docs/troubleshooting.md, no more and no less.
"""

import ast
import configparser
import operator
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from luigi_tasks import paths
from luigi_tasks.spark import known_errors
from luigi_tasks.warehouse import server_errors

DOCS = paths.PROJECT / "docs"
TROUBLESHOOTING, ARCHITECTURE = DOCS / "troubleshooting.md", DOCS / "architecture.md"
PAGES = [paths.PROJECT / "README.md", paths.PROJECT / "DECISIONS.md", *sorted(DOCS.glob("*.md"))]
MODULES = sorted(path for package in ("luigi_tasks", "spark_jobs") for path in (paths.PROJECT / package).glob("*.py"))

READ = {
    "PipelineError": 0,
    "TransientError": 0,
    "BatchStopped": 0,
    "MessageError": 0,
    "SystemExit": 0,
    "ValueError": 0,
    "BrokenFile": 1,
    "BrokenSource": 2,
    "Result": 1,
    "Remark": 2,
    "warning": 0,
    "error": 0,
    "as_pipeline_error": 0,
    "_explained": 1,
}
"""Which argument people get to read, by the name of what is called."""
REASONS = {"why_stale", "_why_stale", "target_stale", "why_changed", "why_stopped", "_verdict", "in_the_way"}
"""Functions that return such a text."""
LISTS = {"faults", "remarks"}
"""Lists of such texts."""
FEWEST_WORDS = 2
"""Of less, all that is said is in the parts that vary."""
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


def test_architecture__names_every_module_once():
    rows = re.findall(r"^\| `((?:luigi_tasks|spark_jobs)/\w+\.py)` \|", _architecture(), re.MULTILINE)
    there = Counter(str(path.relative_to(paths.PROJECT)) for path in MODULES)
    missing, unknown = there - Counter(rows), Counter(rows) - there
    assert not missing, f"docs/architecture.md, Modules: no row for {', '.join(sorted(missing))}"
    assert not unknown, f"docs/architecture.md, Modules: rows too many, of {', '.join(sorted(unknown))}"


def test_architecture__names_only_what_is_there():
    named = set(re.findall(r"`((?:luigi_tasks|spark_jobs)\.[\w.]+)`", _architecture()))
    assert named
    lost = sorted(name for name in named if not _is_there(name))
    assert not lost, f"docs/architecture.md names what is not in the code: {', '.join(lost)}"


def _is_there(name: str) -> bool:
    package, module, *attributes = name.split(".")
    try:
        found = import_module(f"{package}.{module}")
        return not attributes or operator.attrgetter(".".join(attributes))(found) is not None
    except (ImportError, AttributeError):
        return False


def _architecture() -> str:
    return ARCHITECTURE.read_text(encoding="utf-8")


@cache
def documented() -> dict[str, int]:
    """The messages of docs/troubleshooting.md, items of a list that hold nothing else, and their lines."""
    lines = TROUBLESHOOTING.read_text(encoding="utf-8").splitlines()
    found = [(match[1], number) for number, line in enumerate(lines, 1) if (match := re.fullmatch("- `(.+)`", line))]
    twice = [message for message, count in Counter(message for message, _ in found).items() if count > 1]
    assert not twice, f"docs/troubleshooting.md has these twice: {twice}"
    return dict(found)


@cache
def messages() -> dict[str, str]:
    """The messages of the code, and where each stands."""
    found = {}
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
            for node in _read_by_people(function):
                for text in _texts(node, _named(tree) | _named(function)):
                    found[_pattern(text)] = f"{path.relative_to(paths.PROJECT)}, line {node.lineno}"
    for kind in (*server_errors.KINDS, server_errors.OTHER):
        found[str(server_errors.as_pipeline_error("", kind, VARIES))] = "luigi_tasks/database_errors.py"
    for one in known_errors.KINDS:
        filled = f"{VARIES}: {one.meaning}; nothing was changed; {one.advice}; the whole log: {VARIES}"
        found[re.sub(r"\{[^}]*\}", VARIES, filled)] = "luigi_tasks/spark_errors.py"
    return {message: place for message, place in found.items() if _words(message) >= FEWEST_WORDS}


def _pattern(text: str) -> str:
    """A text on one line, with … for each place that logging fills in."""
    return re.sub(f"{VARIES}+", VARIES, re.sub(r"%[sd]|%\.1f", VARIES, " ".join(text.split())))


def _words(message: str) -> int:
    return len(re.findall(r"[A-Za-z]{2,}", message))


def _read_by_people(function: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a function, but not in those within it, that are messages or may be."""
    function_name = getattr(function, "name", "")
    for node in _of_itself(function):
        match node:
            case ast.Call(ast.Name("Result"), [ast.Name("OK"), *_]):
                continue
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [value]) if name in LISTS:
                yield value
            case ast.Call(ast.Name(name) | ast.Attribute(attr=name), values) if name in READ:
                yield from values[READ[name] :][:1]
            case ast.Return(ast.expr() as value) if function_name in REASONS:
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
    """The texts that a function gives names to."""
    found = {}
    for node in _of_itself(function):
        match node:
            case ast.Assign([ast.Name(name)], ast.JoinedStr() | ast.Constant(str()) as value):
                found[name] = value
    return found


def _texts(node: ast.expr, named: dict[str, ast.expr]) -> Iterator[str]:
    """The texts that an expression may come to."""
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
    """A part of an f-string: its text, or that which it names, or …."""
    if isinstance(part, ast.FormattedValue):
        return next(_texts(part.value, named), VARIES) if isinstance(part.value, ast.Name) else VARIES
    return str(part.value)
