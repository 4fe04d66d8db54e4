"""What the faults happen to: a loaded warehouse (before), two batches to take in (after), and checksums of both.

A trial begins `before`: one batch is loaded and its marts are tested. In the landing folder that batch is corrected and
another one has come. Whatever happens to the run that takes this in, what is in the warehouse afterwards is, table by
table and batch by batch, as it was or as it should be, and so are the marts all together; and the next run brings all
of it to `after`.
"""

import contextlib
import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import psycopg2
from project import Process, Project, copy_folder, is_locked
from psycopg2.extensions import cursor as Cursor

from bench.sample import generate_documents
from bench.workload import correct_documents
from luigi_tasks.warehouse.embedded.location import PORT, locate_cluster, read_socket_folder
from luigi_tasks.warehouse.embedded.server import DATABASE, SUPERUSER, lease_server

ALL = os.environ.get("FAULTS") == "all"
"""Whether everything is to be tried."""
USERS = 800
FIRST, SECOND = "2026-01-01.json", "2026-01-02.json"
SECONDS_TO_END = 60
TRIAL = "FAULT_TRIAL"
"""Environment variable: by it the processes of a trial are found, whatever group they are in."""

KEYS = {
    "raw_data": "batch",
    "etl.ledger": "batch",
    "etl.table_updates": "target_table || ' ' || batch",
}
"""What is there together or not at all, of the tables of a schema or of one: rows of a key. Else a whole table is."""
NOT_COMPARED = (
    "etl.runs",
    "etl.audit",
    "etl.stages",
    "etl.remarks",
    "etl.days_looked_at",
    "etl.batches_looked_at",
    "etl.relations",
    "etl.own_relations",
    "marts.content_performance_mart",
    "marts.user_engagement_mart",
)
"""What runs tell of themselves, what the server says of its tables, and what has random pseudonyms."""
ROWS = {
    "etl.table_updates": "(update_id || (built_from - 'build')::text)",
    "etl.project": "(host || checkpoints)",
    "published.pseudonyms": "user_sk",
}
"""The columns that are compared, where not all are: those of time and what is random differ."""
WORK = ("staging.", "etl.changed_batches", "etl.replaced_keys", "etl.table_updates candidates")
"""What only says how far a run has come."""
PUBLISHED = ("marts_personal.", "open.", "published.", "etl.table_updates marts")
"""What changes all at once."""
VERDICT = "etl.table_updates etl.ledger"
"""The markers of the ledger."""
UNFINISHED = ("__dbt_tmp", "__dbt_backup", "__new")
"""Ends of the names of tables that dbt is about to rename or drop, and drops when it runs again."""

State = dict[str, str]
"""Checksums by table, or by table and batch: of all rows, in a fixed order."""


@dataclass(frozen=True)
class Ended:
    """How an interrupted run ended: its exit code, what it said, and what it left running."""

    code: int
    output: str
    left: list[str]


@dataclass(frozen=True)
class Trial:
    """A fault as it went: what the marts were after it, and the seconds that the next run took to mend all."""

    fault: str
    marts: str
    seconds: float


class World:
    """A project that can be set back to `before`; what becomes of it is added to `trials`."""

    def __init__(self, project: Project, trials: list[Trial]) -> None:
        self.project = project
        self._trials = trials
        self._trial = ""
        self._kept = project.folder.with_name("kept")
        documents = list(islice(generate_documents(USERS, seed=7), USERS))
        project.land(FIRST, documents[: USERS // 2])
        self._run_well()
        self.before = self.state()
        project.land(FIRST, list(correct_documents(documents[: USERS // 2 - 9])))
        project.land(SECOND, documents[USERS // 4 :])
        project.close()
        copy_folder(project.folder, self._kept)
        self._run_well()
        self.after = self.state()
        changed = [name for name in self.before if self.before[name] != self.after[name]]
        assert {name.split(".")[0] for name in changed} >= {"raw_data", "core", "published", "marts_personal", "etl"}

    def reset(self) -> None:
        """Set everything back to `before`, the landing folder as it is to be taken in."""
        for number in _of_trial(self._trial) if self._trial else []:
            os.kill(int(number.split()[0]), signal.SIGKILL)
        self.stop_server()
        shutil.rmtree(self.project.folder)
        copy_folder(self._kept, self.project.folder)

    def start(self, *arguments: str, **variables: str) -> Process:
        """A run in a process group of its own, as a terminal or cron starts it; what it says goes to `output`."""
        self._trial = uuid.uuid4().hex
        with self.output.open("wb") as file:
            return self.project.start(*arguments, output=file, **variables, **{TRIAL: self._trial})

    @property
    def output(self) -> Path:
        return self.project.folder / "output.log"

    def said(self) -> str:
        return self.output.read_text(errors="backslashreplace")

    def interrupt(self, process: Process, number: signal.Signals) -> Ended:
        """Send a signal: SIGKILL and SIGINT to the whole group, as the kernel and a terminal do, SIGTERM to Luigi only.

        Gives back what still runs once it ought to have ended.
        """
        if process.poll() is None:
            if number == signal.SIGTERM:
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)
        code = process.wait(SECONDS_TO_END)
        return Ended(code, self.said(), self._left() if number != signal.SIGKILL else [])

    def _left(self) -> list[str]:
        server = self.project.folder / "postgres" / "server.lock"
        deadline = time.monotonic() + 10
        while (left := _of_trial(self._trial)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left + ([f"a server that holds {server}"] if is_locked(server) else [])

    def must_be_whole_and_recover(self, fault: str, stopped: str = "") -> None:
        """Nothing is half done, and one more run brings all to what it should be and leaves nothing behind.

        A batch that was `stopped` has a verdict of its own until then.
        """
        found = self.state()
        self.project.close()
        strange = [name for name in neither(found, self.before, self.after) if name != f"{VERDICT} {stopped}"]
        assert not strange, strange
        marts = self._what(found)
        started = time.monotonic()
        self._run_well()
        self._trials.append(Trial(fault, marts, time.monotonic() - started))
        assert list(self.project.checkpoints.glob(".staging/*")) == []
        assert self.state() == self.after

    def _what(self, found: State) -> str:
        """Whether the marts are as they were or as they should be: all of them."""
        for name, expected in (("as they were", self.before), ("as they should be", self.after)):
            if _published(found) == _published(expected):
                return name
        differ = [mart for mart, digest in _published(self.before).items() if found.get(mart) != digest]
        raise AssertionError(f"not all of the marts were published: {differ}")

    def peek(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a query; none where the server does not run."""
        try:
            with self.another_session() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        except psycopg2.Error:
            return []

    def slow_down(self, table: str, event: str) -> None:
        """Have every statement that deletes from a table, or inserts, take long enough to be met."""
        self.project.rows(
            "create or replace function public.dawdle() returns trigger language plpgsql as "
            "'begin perform pg_sleep(1); return null; end'"
        )
        self.project.rows(f"create trigger dawdle after {event} on {table} execute function public.dawdle()")
        self.project.close()

    def administer(self, statement: str) -> None:
        """Run a statement on the server's own database."""
        with self.session("postgres") as cursor:
            cursor.execute(statement)

    @contextmanager
    def session(self, database: str = DATABASE) -> Iterator[Cursor]:
        """A session of somebody else's, which keeps the server running."""
        server = lease_server(self.project.folder / "postgres")
        try:
            with self.another_session(database) as cursor:
                yield cursor
        finally:
            server.release()

    @contextmanager
    def another_session(self, database: str = DATABASE) -> Iterator[Cursor]:
        """A session on the server, which is neither started nor kept running for it."""
        socket = read_socket_folder(locate_cluster(self.project.folder / "postgres"))
        opened = psycopg2.connect(host=str(socket), port=PORT, user=SUPERUSER, dbname=database)
        with closing(opened) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            yield cursor

    def postmaster(self) -> int:
        """Its process."""
        return int((self.project.folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])

    def backend(self) -> int:
        """The process of a session that is at work."""
        query = "select pid from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() limit 1"
        while not (found := self.peek(query)):
            time.sleep(0.005)
        return int(str(found[0][0]))

    def stop_server(self) -> None:
        """End the server without leave: its disk may be full."""
        self.project.stop_server()

    def processes(self, name: str) -> list[int]:
        """The processes of the run that is going on with a name in their command lines."""
        return [int(line.split()[0]) for line in _of_trial(self._trial) if name in line]

    def log(self, name: str) -> str:
        """A log of the run that is going on."""
        found = sorted(self.project.folder.glob(f"logs/*/{name}"))
        return found[-1].read_text(errors="backslashreplace") if len(found) > self._runs_before(name) else ""

    def _runs_before(self, name: str) -> int:
        return len(list(self._kept.glob(f"logs/*/{name}")))

    def _run_well(self) -> None:
        ran = self.project.run()
        assert ran.code == 0, ran.output

    def state(self) -> State:
        """Checksums of all that is in the warehouse."""
        found: State = {}
        tables = self.project.rows(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
        )
        for schema, table in tables:
            name = f"{schema}.{table}"
            if name in NOT_COMPARED:
                continue
            key, row = KEYS.get(name, KEYS.get(schema)), ROWS.get(name, "listed")
            digests = self.project.rows(
                f"select {key or 'null'}, md5(string_agg({row}::text, E'\\n' order by {row}::text collate \"C\")) "
                f"from {name} as listed group by 1"
            )
            found |= {f"{name} {of_key}" if key else name: digest for of_key, digest in digests}
        return found


def neither(found: State, before: State, after: State) -> list[str]:
    """What is neither as it was nor as it should be; and what its marker does not speak of."""
    names = sorted(
        name for name in {*found, *before, *after} if not name.startswith(WORK) and not name.endswith(UNFINISHED)
    )
    strange = [name for name in names if found.get(name) not in (before.get(name), after.get(name))]
    for name in (name for name in names if name.startswith("raw_data.") and before.get(name) != after.get(name)):
        marker = f"etl.table_updates {name}"
        if (found.get(name) == after.get(name)) != (found.get(marker) == after.get(marker)):
            strange.append(f"{name} and its marker")
    return strange


def _published(state: State) -> State:
    return {name: digest for name, digest in state.items() if name.startswith(PUBLISHED)}


def as_table(trials: list[Trial]) -> str:
    """How often each fault was tried, what the marts were after it, and the seconds of the next run."""
    outcomes = ("as they were", "as they should be")
    lines = [f"{'fault':<48} times  " + "  ".join(outcomes) + "  seconds to recover: median, most"]
    for fault in dict.fromkeys(trial.fault for trial in trials):
        of_fault = [trial for trial in trials if trial.fault == fault]
        counts = [sum(trial.marts == outcome for trial in of_fault) for outcome in outcomes]
        seconds = sorted(trial.seconds for trial in of_fault)
        shown = "  ".join(f"{count:>{len(outcome)}}" for count, outcome in zip(counts, outcomes, strict=True))
        lines.append(f"{fault:<48} {len(of_fault):>5}  {shown}  {median(seconds):.1f}, {seconds[-1]:.1f}")
    return "\n".join([*lines, f"{len(trials)} in all; nothing lost, doubled or left over"])


def _environment(process: int) -> dict[str, str]:
    try:
        pairs = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(pair.partition("=")[::2] for pair in pairs)


def _of_trial(trial: str) -> list[str]:
    """The processes that a trial started, by their numbers and command lines."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and _environment(int(place.name)).get(TRIAL) == trial:
            with contextlib.suppress(OSError):
                found.append(f"{place.name} {place.joinpath('cmdline').read_text().replace(chr(0), ' ')[:150]}")
    return found
