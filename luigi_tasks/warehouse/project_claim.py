"""The claim on a warehouse: which project it belongs to.

Two projects with checkpoints of their own would replace each other's batches in turn. A project is known by an id in
its checkpoints folder, so it may move; one whose checkpoints were deleted is known by their place. A copy has the id of
the project that it was made from: it is another project where that one still is in its place. A store stands in the
place of a host: machines with the same checkpoints in it are one project.
"""

import socket
import uuid
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.store_errors import translate_store_errors
from luigi_tasks.warehouse.connection import is_external
from spark_jobs.storage import Location, ObjectPath


def claim_if_free(cursor: Cursor) -> None:
    """Claim the warehouse for this project if it is nobody's. Raises PipelineError if it is another project's."""
    if not require_no_other(cursor):
        claim(cursor)


def require_no_other(cursor: Cursor) -> bool:
    """Whether the warehouse is this project's; False if it is nobody's. Raises PipelineError if it is another's."""
    cursor.execute("select project_id, host, checkpoints, since from etl.project")
    found = cursor.fetchone()
    if found is None:
        return False
    project_id, host, checkpoints, since = found
    own_id = read_project_id()
    if own_id is None and (host, checkpoints) == _describe_place():
        _write_project_id(project_id)
        return True
    if own_id == project_id and not _is_copy(project_id, checkpoints):
        _record_place(cursor, host, checkpoints)
        return True
    raise PipelineError(
        f"the warehouse belongs to the project with the checkpoints {checkpoints} on {host}, since {since:%Y-%m-%d}; "
        f"this one's are {paths.checkpoints()}; nothing was changed; set PGDATABASE to a database of its own, or run "
        "socialmart take-over to have this project load it from now on"
    )


def claim(cursor: Cursor) -> None:
    """Have the warehouse belong to this project, whichever it belonged to before."""
    host, checkpoints = _describe_place()
    project_id = read_project_id() or uuid.uuid4().hex
    _write_project_id(project_id)
    cursor.execute(
        "insert into etl.project (project_id, host, checkpoints) values (%s, %s, %s) on conflict (is_only) do update "
        "set project_id = excluded.project_id, host = excluded.host, checkpoints = excluded.checkpoints, since = now()",
        (project_id, host, checkpoints),
    )


def read_project_id(checkpoints: Location | None = None) -> str | None:
    """The id of this project, or of the one with these checkpoints; None where it has none yet."""
    path = checkpoints / paths.project_id().name if checkpoints else paths.project_id()
    try:
        return path.read_bytes().decode("ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    except OSError:
        if isinstance(path, Path):
            return None
        with translate_store_errors():  # it may be there
            raise


def _is_copy(project_id: str, text: str) -> bool:
    """Whether a project of this id has these checkpoints, and they are not this project's.

    The embedded server is copied with its project, so the copy has a warehouse of its own.
    """
    if not is_external() or text == str(paths.checkpoints()):
        return False
    checkpoints, own = paths.locate(text, "[checkpoints], key folder"), paths.checkpoints()
    if read_project_id(checkpoints) != project_id:
        return False
    return not (isinstance(checkpoints, Path) and isinstance(own, Path) and checkpoints.samefile(own))


def _record_place(cursor: Cursor, host: str, checkpoints: str) -> None:
    """Record where a project is that has moved from this host and folder."""
    if (host, checkpoints) != _describe_place():
        cursor.execute("update etl.project set host = %s, checkpoints = %s", _describe_place())


def _write_project_id(project_id: str) -> None:
    path = paths.project_id()
    text = f"{project_id}\n"
    if isinstance(path, ObjectPath):
        with translate_store_errors():
            path.write_bytes(text.encode())
        return
    try:
        atomic_files.write_file(path, text)
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {path.parent}: cannot be written ({error.strerror}); make it writable, or set "
            "[checkpoints] folder in luigi.cfg"
        ) from error


def _describe_place() -> tuple[str, str]:
    folder = paths.checkpoints()
    host = socket.gethostname() if isinstance(folder, Path) else folder.endpoint or folder.scheme
    return host, str(folder)
