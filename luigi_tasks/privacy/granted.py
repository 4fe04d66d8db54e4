"""What the catalogue says of the warehouse's roles: what they own, are granted and are members of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.privacy import roles
from luigi_tasks.warehouse import audit_chain, layers, rights
from luigi_tasks.warehouse.ownership import IS_MARKED, MARK
from luigi_tasks.warehouse.schema_names import LUIGI_HISTORY

FAR_REACHING = (
    *("pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files"),
    "pg_execute_server_program",
)
"""PostgreSQL's own roles whose members read or write past all grants."""
UNFORCED = (
    *("role", "session_replication_role", "default_transaction_read_only"),
    *("session_preload_libraries", "local_preload_libraries", "dynamic_library_path"),
    *("zero_damaged_pages", "ignore_checksum_failure", "timezone_abbreviations"),
)
"""Settings that decide as whom a session acts, what code it loads, or which rows and times it has, and that sessions of
the pipeline do not set themselves, as they do with warehouse/session.py's MEANING."""

NEW_TABLES, NEW_TABLES_OF = "new tables in", "new tables of"
"""Kinds of a grant that the tables of a schema, or of an owner, have from the beginning."""


class Grant(NamedTuple):
    """A privilege on a database, schema, relation, column or function, or one that new tables will have."""

    grantee: str
    privilege: str
    kind: str
    name: str

    def describe(self) -> str:
        return f"{self.privilege} on {self.kind} {self.name}"


class Owned(NamedTuple):
    """A schema of ours, or a relation or function in it."""

    kind: str
    name: str
    schema: str
    owner: str


class Definer(NamedTuple):
    """A row of DEFINERS."""

    name: str
    owner: str
    is_meant: bool
    has_own_path: bool


class Setting(NamedTuple):
    """A row of SETTINGS."""

    name: str
    value: str
    reset: str


class Membership(NamedTuple):
    """A row of MEMBERS."""

    member: str
    role: str
    inherits: bool
    may_enter: bool


OURS = f"""
with ours as (
    select
        pg_class.oid,
        relnamespace::regnamespace::text as schema_name,
        relowner,
        relacl,
        case relkind when 'v' then 'view' else 'table' end as kind,
        format('%%I.%%I', relnamespace::regnamespace, relname) as name
    from pg_class
    where
        relnamespace::regnamespace::text = any(%(schemas)s) and relkind in ('r', 'v')
        and (relnamespace = to_regnamespace(%(history)s) or {IS_MARKED})
),
functions as (
    select oid, pronamespace::regnamespace::text as schema_name, proowner, proacl, oid::regprocedure::text as name
    from pg_proc
    where format('%%s.%%s', pronamespace::regnamespace, proname) = any(%(functions)s)
)
"""
"""Our tables, views and functions in our schemas, as the beginning of a query."""
# What pgaudit's own role may read is logged, and nobody is to be in it: its grants are no rights.
GRANTED = f"""
{OURS},
granted as (
    select grantee, privilege_type, 'database' as kind, datname::text as name, datdba as owner
    from pg_database cross join aclexplode(coalesce(datacl, acldefault('d', datdba)))
    where datname = current_database() and privilege_type <> 'CONNECT'
    union all
    select grantee, privilege_type, 'schema', nspname, nspowner
    from pg_namespace cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
    where nspname = any(%(schemas)s)
    union all
    select grantee, privilege_type, kind, name, relowner
    from ours cross join aclexplode(coalesce(relacl, acldefault('r', relowner)))
    union all
    select grantee, privilege_type, 'column', format('%%s.%%I', name, attname), relowner
    from ours inner join pg_attribute on attrelid = ours.oid cross join aclexplode(attacl)
    union all
    select
        grantee,
        privilege_type,
        'sequence',
        format('%%I.%%I', sequence.relnamespace::regnamespace, relname),
        ours.relowner
    from ours
    inner join pg_depend on refobjid = ours.oid and refclassid = 'pg_class'::regclass and deptype in ('a', 'i')
    inner join pg_class as sequence on sequence.oid = objid and classid = 'pg_class'::regclass and relkind = 'S'
    cross join aclexplode(sequence.relacl)
    union all
    select grantee, privilege_type, 'function', name, proowner
    from functions cross join aclexplode(coalesce(proacl, acldefault('f', proowner)))
    union all
    select grantee, privilege_type, '{NEW_TABLES_OF}', pg_get_userbyid(defaclrole)::text, defaclrole
    from pg_default_acl cross join aclexplode(defaclacl)
    where defaclobjtype = 'r' and defaclnamespace = 0 and pg_get_userbyid(defaclrole)::text = any(%(roles)s)
    union all
    select grantee, privilege_type, '{NEW_TABLES}', defaclnamespace::regnamespace::text, defaclrole
    from pg_default_acl cross join aclexplode(defaclacl)
    where defaclobjtype = 'r' and defaclnamespace::regnamespace::text = any(%(schemas)s)
)
select case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end, lower(privilege_type), kind, name
from granted
where grantee <> owner and pg_get_userbyid(grantee) is distinct from current_setting('pgaudit.role', true)
"""
OWNED = f"""
{OURS}
select 'schema', nspname, nspname, pg_get_userbyid(nspowner)::text from pg_namespace where nspname = any(%(schemas)s)
union all
select kind, name, schema_name, pg_get_userbyid(relowner)::text from ours
union all
select 'function', name, schema_name, pg_get_userbyid(proowner)::text from functions
order by 1, 2
"""
"""The schemas, and what is ours in them."""
ATTRIBUTES = """
select rolname::text, array_remove(
    array[
        case when rolsuper then 'is a superuser' end,
        case when rolcreaterole then 'may create roles' end,
        case when rolcreatedb then 'may create databases' end,
        case when rolreplication then 'may replicate' end,
        case when rolbypassrls then 'passes over policies' end,
        case when rolcanlogin and rolname <> %(login)s then 'may log in' end
    ],
    null
)
from pg_roles where rolname = any(%(roles)s)
order by 1
"""
INHERITS = "select rolinherit from pg_roles where rolname = %(login)s"
MEMBERS = """
select pg_get_userbyid(member)::text, pg_get_userbyid(roleid)::text, {options}
from pg_auth_members
where
    pg_get_userbyid(member)::text = any(%(roles)s)
    or pg_get_userbyid(roleid)::text = any(%(closed)s || array[current_setting('pgaudit.role', true)])
"""
"""Who is a member of what, whether it inherits its rights, and whether it may act as it."""
DEFINERS = """
select
    pg_proc.oid::regprocedure::text,
    pg_get_userbyid(proowner)::text,
    pg_proc.oid = to_regprocedure(%(writer)s),
    'search_path=pg_catalog' = any(coalesce(proconfig, '{}'))
from pg_proc
where prosecdef and pg_get_userbyid(proowner)::text = any(%(roles)s)
order by 1
"""
"""Functions that act as a role of ours whoever calls them: whether it is the one that is meant to, and whether it finds
names in pg_catalog alone instead of where its caller looks."""
SETTINGS = """
select name, value, format('alter %%s reset %%s', whose, name)
from (
    select
        split_part(setting, '=', 1) as name,
        substr(setting, strpos(setting, '=') + 1) as value,
        case
            when setrole = 0 then format('database %%I', current_database())
            when setdatabase = 0 then format('role %%I', %(login)s::text)
            else format('role %%I in database %%I', %(login)s::text, current_database())
        end as whose
    from pg_db_role_setting cross join unnest(setconfig) as setting
    where
        setrole in (0, (select oid from pg_roles where rolname = %(login)s))
        and setdatabase in (0, (select oid from pg_database where datname = current_database()))
) as found
where lower(name) = any(%(settings)s)
order by 3
"""
"""What the login's sessions begin with, of UNFORCED, and the statement that takes it back."""


class Catalogue:
    """What the catalogue says of our roles and schemas, and of the login."""

    def __init__(self, cursor: Cursor, login: str) -> None:
        self.login = login
        self.has_options = cursor.connection.server_version >= rights.FIRST_WITH_INHERIT_OPTION
        parameters = {
            "schemas": list(layers.OWNERS),
            "history": LUIGI_HISTORY,
            "functions": list(roles.FUNCTIONS),
            "mark": MARK,
            "login": login,
            "roles": [*roles.list_roles(), login],
            "closed": [*(roles.require_role(layer) for layer in layers.LAYERS), *FAR_REACHING],
            "settings": list(UNFORCED),
            "writer": audit_chain.WRITER,
        }
        self.grants = {Grant(*row) for row in _fetch(cursor, GRANTED, parameters)}
        self.owned = [Owned(*row) for row in _fetch(cursor, OWNED, parameters)]
        self.attributes: dict[str, list[str]] = dict(_fetch(cursor, ATTRIBUTES, parameters))
        options = "inherit_option, set_option" if self.has_options else "true, true"
        self.memberships = [Membership(*row) for row in _fetch(cursor, MEMBERS.format(options=options), parameters)]
        self.login_inherits = (True,) in _fetch(cursor, INHERITS, parameters)
        self.definers = [Definer(*row) for row in _fetch(cursor, DEFINERS, parameters)]
        self.settings = [Setting(*row) for row in _fetch(cursor, SETTINGS, parameters)]


def _fetch(cursor: Cursor, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    cursor.execute(query, parameters)
    return list(cursor.fetchall())
