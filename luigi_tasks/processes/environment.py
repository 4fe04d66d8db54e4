"""The environment of child processes: what each kind of child gets of this process's variables. It gets no others.

Other variables may hold secrets, or belong to another installation and lead a child astray. `SPARK` and `DBT` are
completed by `[spark] environment` and `[dbt] environment`. The run itself, which `socialmart run` starts, gets all.
"""

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase

from luigi_tasks import paths, run_id
from luigi_tasks.errors import PipelineError

SERVER = ("PATH",)
"""The embedded server and its tools."""
BASIC = (*SERVER, "HOME", "USER", "LOGNAME", "TZ", "TZDIR")
"""What any program may need to find its files and the time of the place."""
PYTHON = (*BASIC, "LUIGI_CONFIG_PATH", run_id.VARIABLE, "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
"""Programs of the pipeline."""
SPARK_LOCAL = PYTHON
"""Spark with a local master: its Java, and its Python workers."""
KERBEROS = ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
STORE = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME", "AWS_CONTAINER_*", "AWS_EC2_METADATA_DISABLED"),
    *("GOOGLE_APPLICATION_CREDENTIALS", *CERTIFICATES),
)
"""What leads to an object store: for Spark and its Python workers, where folders of the pipeline are in one."""
LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Where libraries are; with a local master Java would take those of another Java from there."""
SPARK_CLUSTER = (
    *SPARK_LOCAL,
    *KERBEROS,
    *CERTIFICATES,
    *LIBRARIES,
    *("HADOOP_CONF_DIR", "HADOOP_HOME", "HADOOP_USER_NAME", "HADOOP_PROXY_USER", "HADOOP_TOKEN_FILE_LOCATION"),
    *("YARN_CONF_DIR", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "JAVA_TOOL_OPTIONS"),
    *("SPARK_CONF_DIR", "SPARK_DIST_CLASSPATH", "SPARK_LOCAL_DIRS", "SPARK_LOCAL_HOSTNAME", "SPARK_LOCAL_IP"),
    *("SPARK_PUBLIC_DNS", "SPARK_SUBMIT_OPTS", "SPARK_USER", "SPARK_LOG_DIR", "SPARK_PID_DIR"),
    *("SPARK_DAEMON_*", "SPARK_MASTER_*", "SPARK_WORKER_*"),
)
"""Spark with the master of a cluster, which these lead to: its configuration, its network, its storage."""
DATABASE = (*KERBEROS, *CERTIFICATES, *LIBRARIES)
"""What libpq needs besides its own variables."""
DBT = (*PYTHON, *DATABASE)
LUIGID = (*PYTHON, *DATABASE)
CLIENT = (
    *BASIC,
    *DATABASE,
    *("LANG", "LANGUAGE", "LC_*", "SHELL", "TERM", "TERMINFO", "TERMINFO_DIRS", "COLORTERM", "NO_COLOR"),
    *("COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY", "PAGER", "LESS", "LESSCHARSET", "EDITOR", "VISUAL", "INPUTRC"),
    *("PSQL_*", "PSQLRC", "PG_COLOR", "PG_COLORS"),
)
"""psql, pg_dump and pg_restore, which people use at their terminal."""

LIBPQ = (
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE"),
    *("PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS", "PGAPPNAME", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO"),
    *("PGCONNECT_TIMEOUT", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGLOCALEDIR", "PGREALM"),
    *("PGREQUIREAUTH", "PGREQUIREPEER", "PGCHANNELBINDING", "PGKRBSRVNAME", "PGGSSLIB", "PGGSSENCMODE"),
    *("PGGSSDELEGATION", "PGREQUIRESSL", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGSSL*"),
)
"""libpq's own variables, for those that connect to the warehouse."""
NAMING_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE", "PGUSER")
"""libpq's variables: where one of them is set, the warehouse is that server, not the embedded one."""
CONNECTION_STRING = re.compile(r"://|\bpassword *=|:[^/]*@", re.IGNORECASE)
"""How a connection string shows, which may hold a password, in the place of a name."""


def require_utf8() -> None:
    """Raise PipelineError where the locale has Python read names of files, and so of batches, in another encoding."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        raise PipelineError(
            f"the locale reads the names of files as {encoding}, UTF-8 expected; nothing was changed; "
            "set LC_ALL=C.UTF-8, or PYTHONUTF8=1, and run again"
        )


def select_variables(names: Sequence[str]) -> dict[str, str]:
    """This process's variables with these names; a * stands for any characters."""
    return {name: value for name, value in os.environ.items() if any(fnmatchcase(name, each) for each in names)}


def make_environment(names: Sequence[str], more: str = "", **needed: str) -> dict[str, str]:
    """The environment of a program: variables of this process with these names, and what it `needed` besides.

    `more` are further names from luigi.cfg, separated by |. Texts and names of files are UTF-8, messages English, and
    Python's modules the pipeline's, whatever this process has.
    """
    further = [name.strip() for name in more.split("|")]
    ours = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "PYTHONPATH": str(paths.PROJECT), "TMPDIR": tempfile.gettempdir()}
    return ours | select_variables([*names, *further]) | needed


def make_server_environment(**needed: str) -> dict[str, str]:
    """The environment of the embedded server and its tools."""
    return {"PATH": os.defpath, "LC_ALL": "C"} | select_variables(SERVER) | needed


def make_client_environment(variables: dict[str, str]) -> dict[str, str]:
    """The environment of psql and its like, which speak the user's language; `variables` are libpq's."""
    return {"TMPDIR": tempfile.gettempdir()} | select_variables(CLIENT) | variables


def read_libpq_variables() -> dict[str, str]:
    """libpq's variables. Raises PipelineError for a connection string in the place of a name.

    libpq would take it for the name, and so its password would stand in messages and in the server's log.
    """
    found = select_variables(LIBPQ)
    for name in NAMING_VARIABLES:
        if CONNECTION_STRING.search(found.get(name, "")):
            raise PipelineError(
                f"{name} holds a connection string, which is not shown as it may hold a password; nothing was changed; "
                "set PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSWORD to its parts, and run again"
            )
    return found
