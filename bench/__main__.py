"""Measures the pipeline against the floor, round by round, each case in turn.

    make bench                                 # floor, cold, nothing, new, corrected, model
    .venv/bin/python -m bench --quick          # the same with a tenth of the users, two rounds
    .venv/bin/python -m bench --only cold,floor
    .venv/bin/python -m bench --all            # the long cases, too
    .venv/bin/python -m bench --page           # results of all runs so far as a web page

A run's measurements are kept in bench/results/. Landing files are made once below data/bench/.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from bench import page, report
from bench.cases import CASES, Bench, Case
from bench.project import REPOSITORY, ChildFailed
from bench.totals import WrongResult
from bench.workload import Workload
from luigi_tasks.errors import PipelineError

RESULTS = Path(__file__).parent / "results"
DATA = REPOSITORY / "data" / "bench"
USERS, ROUNDS = 65_000, 5
QUICK_USERS, QUICK_ROUNDS = USERS // 10, 2


def main() -> None:
    """Measure, or write the page. A wrong result or a failed child ends it with a sentence and exit code 1."""
    arguments = _arguments()
    if arguments.page:
        DATA.mkdir(parents=True, exist_ok=True)
        path = DATA / "index.html"
        path.write_text(page.as_html(page.read(RESULTS)), encoding="utf-8")
        print(path)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the child as Ctrl-C does
    try:
        found = _measure(arguments)
    except (WrongResult, ChildFailed, PipelineError) as error:
        sys.exit(f"\nbench: {error}")
    except KeyboardInterrupt:
        sys.exit("\nbench: interrupted; nothing was recorded")
    path = report.save(found, RESULTS)
    print(report.as_json(found) if arguments.json else f"\n{report.as_text(found)}\n")
    _say(f"{path.relative_to(REPOSITORY)}\n")


def _measure(arguments: argparse.Namespace) -> dict:
    workload = Workload(DATA, arguments.users, _note)
    bench = Bench(workload, DATA / "scratch", _note)
    measurements = []
    reference = workload.reference()
    _say("\n")
    started = time.monotonic()
    for number in range(1, arguments.rounds + 1):
        bench.forget()
        for case in (case for case in arguments.cases if not case.long):
            measurements.append(_run(bench, case, number, f"round {number} of {arguments.rounds}"))
        seconds_a_round = (time.monotonic() - started) / number
        if number < arguments.rounds and seconds_a_round * (number + 1) > arguments.minutes * 60:
            _say(f"no further round: it would end after more than {arguments.minutes:g} minutes\n")
            break
    bench.forget()
    for case in (case for case in arguments.cases if case.long):
        measurements.append(_run(bench, case, 1, "once"))
    bench.forget()
    totals, size = reference.totals, sum(path.stat().st_size for path in reference.files.values())
    data = {"users": totals.users, "posts": totals.posts, "comments": totals.comments, "bytes": size}
    return report.results({"users": arguments.users, "rounds": arguments.rounds}, data, measurements)


def _run(bench: Bench, case: Case, number: int, when: str) -> dict:
    _say(f"{when}  {case.name:<12}  {case.title:<48}")
    measured = case.run(bench)
    _say(f"{measured.seconds:>8.1f} s\n")
    return report.record(case.name, number, measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, help=f"size of the reference (default: {USERS:,})")
    parser.add_argument("--rounds", type=int, help=f"how often each case is measured (default: {ROUNDS})")
    parser.add_argument("--minutes", type=float, default=15, help="begin no round that would end later (default: 15)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_USERS:,} users, {QUICK_ROUNDS} rounds")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", metavar="CASE[,CASE]", help=f"of {', '.join(CASES)}")
    which.add_argument("--all", action="store_true", help="the long cases, too")
    parser.add_argument("--json", action="store_true", help="print the results file instead of tables")
    parser.add_argument("--page", action="store_true", help="write the page of all results, and measure nothing")
    arguments = parser.parse_args()
    arguments.users = arguments.users or (QUICK_USERS if arguments.quick else USERS)
    arguments.rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    wanted = (
        arguments.only.split(",") if arguments.only else [name for name in CASES if _is_wanted(name, arguments.all)]
    )
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        parser.error(f"--only: no case {', '.join(unknown)}; expected some of: {', '.join(CASES)}")
    arguments.cases = [case for case in CASES.values() if case.name in wanted]
    return arguments


def _is_wanted(name: str, also_long: bool) -> bool:
    return also_long or not CASES[name].long


def _note(text: str) -> None:
    _say(f"[{text}] ")


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
