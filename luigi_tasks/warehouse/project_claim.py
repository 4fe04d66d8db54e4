"""The claim on a warehouse: which project it belongs to.

Two projects with checkpoints of their own would replace each other's batches in turn. A project is known by an id in
its checkpoints folder, so it may move; one whose checkpoints were deleted is known by their place. A copy has the id of
the project that it was made from: it is another project where that one still is in its place.
"""

import socket
import uuid
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.connection import is_external


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
    if own_id == project_id and not _is_copy(project_id, Path(checkpoints)):
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


def read_project_id(checkpoints: Path | None = None) -> str | None:
    """The id of this project, or of the one with these checkpoints; None where it has none yet."""
    path = checkpoints / paths.project_id().name if checkpoints else paths.project_id()
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_copy(project_id: str, checkpoints: Path) -> bool:
    """Whether a project of this id has these checkpoints, and they are not this project's.

    The embedded server is copied with its project, so the copy has a warehouse of its own.
    """
    if not is_external() or read_project_id(checkpoints) != project_id:
        return False
    return not checkpoints.samefile(paths.checkpoints())


def _record_place(cursor: Cursor, host: str, checkpoints: str) -> None:
    """Record where a project is that has moved from this host and folder."""
    if (host, checkpoints) != _describe_place():
        cursor.execute("update etl.project set host = %s, checkpoints = %s", _describe_place())


def _write_project_id(project_id: str) -> None:
    path = paths.project_id()
    try:
        atomic_files.write_file(path, f"{project_id}\n")
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {path.parent}: cannot be written ({error.strerror}); make it writable, or set "
            "[checkpoints] folder in luigi.cfg"
        ) from error


def _describe_place() -> tuple[str, str]:
    return socket.gethostname(), str(paths.checkpoints())
