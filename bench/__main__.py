"""Measures the pipeline against the floor, round by round, one case after the other.

    make bench                                 # floor, cold, nothing, new, corrected, model
    .venv/bin/python -m bench --quick          # the same with a tenth of the users, two rounds
    .venv/bin/python -m bench --only cold,floor
    .venv/bin/python -m bench --all            # the long cases too
    .venv/bin/python -m bench --page           # a web page of all results so far

Results are kept in bench/results/. Landing files are made once, below data/bench/.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bench import page, report
from bench.cases import CASES, Bench, Case
from bench.project import REPOSITORY, ChildFailed
from bench.totals import WrongResult
from bench.workload import Workload
from luigi_tasks.errors import PipelineError

RESULTS = Path(__file__).parent / "results"
DATA = REPOSITORY / "data" / "bench"
USERS = 65_000
ROUNDS = 5
QUICK_USERS = USERS // 10
QUICK_ROUNDS = 2


def main() -> None:
    """Measure, or write the page. A wrong result or a failed child exits with a sentence and exit code 1."""
    arguments = _parse_arguments()
    if arguments.page:
        DATA.mkdir(parents=True, exist_ok=True)
        path = DATA / "index.html"
        path.write_text(page.render_page(page.read_results(RESULTS)), encoding="utf-8")
        print(path)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the child as Ctrl-C does
    try:
        results = _run_cases(arguments)
    except (WrongResult, ChildFailed, PipelineError) as error:
        sys.exit(f"\nbench: {error}")
    except KeyboardInterrupt:
        sys.exit("\nbench: interrupted; nothing was recorded")
    path = report.save_results(results, RESULTS)
    print(report.format_json(results) if arguments.json else f"\n{report.format_tables(results)}\n")
    _print_text(f"{path.relative_to(REPOSITORY)}\n")


def _run_cases(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds, then the long cases; return the results as they are written to a file."""
    workload = Workload(DATA, arguments.users, _print_note)
    bench = Bench(workload, DATA / "scratch", _print_note)
    measurements = []
    short_cases = [case for case in arguments.cases if not case.long]
    long_cases = [case for case in arguments.cases if case.long]
    reference = workload.make_reference()
    _print_text("\n")
    started = time.monotonic()
    for number in range(1, arguments.rounds + 1):
        bench.delete_state()
        for case in short_cases:
            measurements.append(_run_case(bench, case, number, f"round {number} of {arguments.rounds}"))
        seconds_a_round = (time.monotonic() - started) / number
        if number < arguments.rounds and seconds_a_round * (number + 1) > arguments.minutes * 60:
            _print_text(f"no further round: it would end after more than {arguments.minutes:g} minutes\n")
            break
    bench.delete_state()
    for case in long_cases:
        measurements.append(_run_case(bench, case, 1, "once"))
    bench.delete_state()
    totals = reference.totals
    size = sum(path.stat().st_size for path in reference.files.values())
    data = {"users": totals.users, "posts": totals.posts, "comments": totals.comments, "bytes": size}
    return report.build_results({"users": arguments.users, "rounds": arguments.rounds}, data, measurements)


def _run_case(bench: Bench, case: Case, number: int, when: str) -> dict[str, Any]:
    _print_text(f"{when}  {case.name:<12}  {case.title:<48}")
    measured = case.run(bench)
    _print_text(f"{measured.seconds:>8.1f} s\n")
    return report.describe_measurement(case.name, number, measured)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, help=f"size of the reference (default: {USERS:,})")
    parser.add_argument("--rounds", type=int, help=f"how often each case is measured (default: {ROUNDS})")
    parser.add_argument("--minutes", type=float, default=15, help="start no round that would end later (default: 15)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_USERS:,} users, {QUICK_ROUNDS} rounds")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", metavar="CASE[,CASE]", help=f"some of {', '.join(CASES)}")
    which.add_argument("--all", action="store_true", help="the long cases too")
    parser.add_argument("--json", action="store_true", help="print the results file instead of tables")
    parser.add_argument("--page", action="store_true", help="write the page of all results, and measure nothing")
    arguments = parser.parse_args()
    arguments.users = arguments.users or (QUICK_USERS if arguments.quick else USERS)
    arguments.rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    default = [name for name, case in CASES.items() if arguments.all or not case.long]
    wanted = arguments.only.split(",") if arguments.only else default
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        parser.error(f"--only: no case {', '.join(unknown)}; expected some of: {', '.join(CASES)}")
    arguments.cases = [case for case in CASES.values() if case.name in wanted]
    return arguments


def _print_note(text: str) -> None:
    _print_text(f"[{text}] ")


def _print_text(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
