"""Rights: what the pipeline's role may not do in the warehouse although runs have to, and the SQL that gives it.

A run needs: usage and create on each of our schemas, create on the database only where one of them is missing; to own
our relations and functions, or the rights of their owner; what an owner has unless somebody took it from them. It needs
no temporary tables.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import layers
from luigi_tasks.warehouse.ownership import IS_MARKED, MARK
from luigi_tasks.warehouse.relation_states import FUNCTIONS
from luigi_tasks.warehouse.schema_names import SCHEMAS

FIRST_WITH_INHERIT_OPTION = 160_000
"""The version of the server (16) since which a grant of a role says whether its rights are inherited."""
MOST_NAMED = 5
"""Objects of one owner that a message names: after a restore it may be all of them."""

ROLE = """
select
    quote_ident(current_user),
    quote_ident(current_database()),
    array(
        select name from unnest(%(schemas)s::text []) as name
        where to_regnamespace(name) is null and not has_database_privilege(current_database(), 'create')
    ),
    array(
        select nspname::text from pg_namespace
        where nspname = any(%(schemas)s)
        and not (has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage'))
        order by nspname
    ),
    array(
        select quote_ident(spcname) from pg_tablespace
        where spcname = current_setting('default_tablespace') and not has_tablespace_privilege(oid, 'create')
        and oid <> (select dattablespace from pg_database where datname = current_database())
    ),
    array(
        select quote_ident(lanname) from pg_language
        where lanname in ('sql', 'plpgsql') and not has_language_privilege(oid, 'usage')
        order by lanname
    ),
    array(
        select case defaclobjtype when 'r' then 'tables' when 'f' then 'functions' else 'schemas' end
        from pg_default_acl inner join pg_roles on pg_roles.oid = defaclrole
        where rolname = current_user and not rolsuper and defaclnamespace = 0 and defaclobjtype in ('r', 'f', 'n')
        and not case defaclobjtype
            when 'r' then array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']
            when 'f' then array['EXECUTE']
            else array['USAGE', 'CREATE']
        end <@ array(
            select privilege_type from aclexplode(defaclacl) where grantee = 0 or pg_has_role(grantee, 'usage')
        )
    )
"""
"""The role; the database; schemas that are missing and that it may not create; schemas that it may not create tables
in; the tablespace of new tables, if it may not use it; languages of migrations that it may not use; kinds of new
objects on which default privileges leave it no rights of its own."""

OBJECTS = f"""
with ours as (
    select
        case relkind when 'v' then 'view' else 'table' end as kind,
        format('%%I.%%I', nspname, relname) as name,
        relowner as owner,
        (
            select bool_and(has_table_privilege(pg_class.oid, privilege))
            from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as privilege
            where relkind = 'r' or privilege = 'select'
        ) as is_usable
    from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = any(%(schemas)s) and relkind in ('r', 'v') and {IS_MARKED}
    union all
    select 'function', pg_proc.oid::regprocedure::text, proowner, has_function_privilege(pg_proc.oid, 'execute')
    from pg_proc inner join pg_namespace on pg_namespace.oid = pronamespace
    where concat_ws('.', nspname, proname) = any(%(functions)s)
)
select
    kind, name, quote_ident(owner.rolname) as owner, pg_has_role(owner.oid, own.oid, 'member') as is_owner_above,
    pg_has_role(owner.oid, 'member') as is_member, own.rolinherit, pg_has_role(owner.oid, 'usage') as is_owned
from ours
inner join pg_roles as owner on owner.oid = ours.owner
inner join pg_roles as own on own.rolname = current_user
where not (is_usable and pg_has_role(owner.oid, 'usage'))
order by is_owned, owner, kind, name
"""
"""Relations and functions of ours that the role does not own, or has no right to use."""


class _Object(NamedTuple):
    """A row of OBJECTS. An owner is above the role where it is a superuser, or a member of the role."""

    kind: str
    name: str
    owner: str
    is_owner_above: bool
    is_member: bool
    inherits: bool
    is_owned: bool


def require_rights(cursor: Cursor) -> None:
    """Raise PipelineError where the role lacks a right, with the SQL that gives it. One or two queries, no locks."""
    if missing := describe_missing(cursor):
        raise PipelineError(
            f"{missing}; nothing was changed; have the SQL after each colon run by the owner or a superuser, then run "
            "again"
        )


def describe_missing(cursor: Cursor) -> str:
    """Everything that the role lacks, or the roles of the layers, in clauses with the SQL that gives it; empty if none
    lacks anything."""
    if layers.name_role(layers.LOADER) is None:
        return _describe_missing(cursor, SCHEMAS, FUNCTIONS)
    missing = []
    for layer in layers.LAYERS:
        with layers.acting_as(cursor, layer):
            owned = [schema for schema in SCHEMAS if layers.OWNERS[schema] == layer]
            missing.append(_describe_missing(cursor, owned, FUNCTIONS if layer == layers.LOADER else ()))
    return "; ".join(filter(None, missing))


def _describe_missing(cursor: Cursor, schemas: Sequence[str], functions: Sequence[str]) -> str:
    """What the current role lacks in some schemas and of some functions."""
    parameters = {"schemas": list(schemas), "functions": list(functions), "mark": MARK}
    cursor.execute(ROLE, parameters)
    user, database, absent, closed, tablespaces, languages, defaults = cursor.fetchone()
    faults = []
    if absent:
        made = "; ".join(f"create schema {name} authorization {user}" for name in absent)
        faults.append(
            f"may not create the schemas {', '.join(absent)}: grant create on database {database} to {user}, or {made}"
        )
    if closed:
        names = ", ".join(closed)
        faults.append(f"may not create tables in {names}: grant usage, create on schema {names} to {user}")
    for tablespace in tablespaces:
        faults.append(f"may not use default_tablespace: grant create on tablespace {tablespace} to {user}")
    for language in languages:
        faults.append(f"may not use the language {language}: grant usage on language {language} to {user}")
    for kind in defaults:
        faults.append(
            f"has no right to what it creates: alter default privileges for role {user} grant all on {kind} to {user}"
        )
    cursor.execute(OBJECTS, parameters)
    objects = [_Object(*row) for row in cursor.fetchall()]
    faults += _describe_objects(objects, user, cursor.connection.server_version)
    return f"user {user} {'; '.join(faults)}" if faults else ""


def _describe_objects(objects: list[_Object], user: str, version: int) -> list[str]:
    faults = []
    for owner, of_owner in groupby((one for one in objects if not one.is_owned), attrgetter("owner")):
        found = list(of_owner)
        names = ", ".join(one.name for one in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
        faults.append(f"lacks the rights of {owner}, who owns {names}{more}: {_make_owner(found, user, version)}")
    for kind, of_kind in groupby((one for one in objects if one.is_owned), attrgetter("kind")):
        names = ", ".join(one.name for one in of_kind)
        what = "function" if kind == "function" else "table"
        faults.append(f"may not use {names}: grant all on {what} {names} to {user}")
    return faults


def _make_owner(found: list[_Object], user: str, version: int) -> str:
    """SQL that gives the role the rights of the owner of some objects, or the objects, where the owner is above it."""
    one = found[0]
    if one.is_owner_above:
        return "; ".join(f"alter {each.kind} {each.name} owner to {user}" for each in found)
    if version >= FIRST_WITH_INHERIT_OPTION:
        return f"grant {one.owner} to {user} with inherit true"
    if one.inherits:
        return f"grant {one.owner} to {user}"
    inherit = f"alter role {user} inherit"
    return inherit if one.is_member else f"grant {one.owner} to {user}; {inherit}"
