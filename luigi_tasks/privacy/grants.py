"""Compares what is granted in the warehouse with the map: what roles lack, and what anybody has too much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.privacy import roles
from luigi_tasks.privacy.privacy_map import PrivacyMap
from luigi_tasks.warehouse import layers, rights
from luigi_tasks.warehouse.ownership import IS_MARKED, MARK
from luigi_tasks.warehouse.schema_names import ETL, LUIGI_HISTORY

FAR_REACHING = (
    *("pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files"),
    "pg_execute_server_program",
)
"""PostgreSQL's own roles whose members read or write past all grants."""


NEW_TABLES = "new tables in"
"""Kind of a grant that the tables of a schema have from the beginning."""


@dataclass(frozen=True)
class Differences:
    """Sentences on what is missing, for which `socialmart roles apply` is the remedy, and on what is too much."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class _Grant(NamedTuple):
    """A privilege on a database, schema, relation or column, or one that new tables of a schema will have."""

    grantee: str
    privilege: str
    kind: str
    name: str

    def describe(self) -> str:
        return f"{self.privilege} on {self.kind} {self.name}"


class _Owned(NamedTuple):
    """A schema of ours, or a relation in it."""

    kind: str
    name: str
    schema: str
    owner: str


class _Membership(NamedTuple):
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
)
"""
"""Our tables and views in our schemas, as the beginning of a query."""
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


def find_differences(cursor: Cursor, privacy_map: PrivacyMap, login: str) -> Differences:
    """Compare owners, grants, memberships and attributes with the map. `login`: that of the pipeline."""
    found = _Found(cursor, login)
    missing = [f"the role {role} is missing" for role in roles.list_roles() if role not in found.attributes]
    if missing:
        return Differences(tuple(missing))
    wanted = set(_list_wanted(privacy_map, found.owned))
    extra = [f"{one.grantee} has {one.describe()}" for one in sorted(found.grants - wanted)]
    lacking = [f"{one.grantee} lacks {one.describe()}" for one in sorted(wanted - found.grants)]
    return Differences(
        (*found.list_wrong_owners(), *found.list_missing_memberships(), *lacking),
        (*extra, *found.list_extra_rights()),
    )


def _list_wanted(privacy_map: PrivacyMap, owned: Sequence[_Owned]) -> Iterator[_Grant]:
    """The grants that the map asks for, on what there is."""
    readers = roles.list_readers(privacy_map)
    writers = [roles.require_role(layer) for layer in layers.WRITERS]
    for kind, name, schema, _ in owned:
        for role in readers[schema]:
            yield _Grant(role, "usage" if kind == "schema" else "select", kind, name)
            if kind == "schema":
                yield _Grant(role, "select", NEW_TABLES, name)
        if schema == ETL and name.partition(".")[2] in layers.SHARED:
            yield from (_Grant(role, each, kind, name) for role in writers for each in ("insert", "update", "delete"))


class _Found:
    """What the catalogue says of our roles and schemas."""

    def __init__(self, cursor: Cursor, login: str) -> None:
        self._login = login
        self._has_options = cursor.connection.server_version >= rights.FIRST_WITH_INHERIT_OPTION
        parameters = {
            "schemas": list(layers.OWNERS),
            "history": LUIGI_HISTORY,
            "mark": MARK,
            "login": login,
            "roles": [*roles.list_roles(), login],
            "closed": [*(roles.require_role(layer) for layer in layers.LAYERS), *FAR_REACHING],
        }
        self.grants = {_Grant(*row) for row in _fetch(cursor, GRANTED, parameters)}
        self.owned = [_Owned(*row) for row in _fetch(cursor, OWNED, parameters)]
        self.attributes: dict[str, list[str]] = dict(_fetch(cursor, ATTRIBUTES, parameters))
        options = "inherit_option, set_option" if self._has_options else "true, true"
        self._memberships = [_Membership(*row) for row in _fetch(cursor, MEMBERS.format(options=options), parameters)]
        self._login_inherits = (True,) in _fetch(cursor, INHERITS, parameters)

    def list_wrong_owners(self) -> Iterator[str]:
        """Schemas that are missing, and what a wrong role owns."""
        there = {one.schema for one in self.owned if one.kind == "schema"}
        yield from (f"the schema {schema} is missing" for schema in layers.OWNERS if schema not in there)
        for one in self.owned:
            wanted = roles.require_role(layers.OWNERS[one.schema])
            if one.owner != wanted:
                yield f"{one.kind} {one.name} is owned by {one.owner}, not by {wanted}"

    def list_missing_memberships(self) -> Iterator[str]:
        """Layers that the login may not enter."""
        entered = {one.role for one in self._memberships if one.member == self._login and one.may_enter}
        for layer in layers.LAYERS:
            role = roles.require_role(layer)
            if role not in entered:
                yield f"{self._login} may not enter {role}"

    def list_extra_rights(self) -> Iterator[str]:
        """Attributes and memberships with which a role gets past what is granted to it."""
        for role, found in self.attributes.items():
            yield from (f"{role} {what}" for what in found)
        for one in self._memberships:
            if one.member != self._login or one.role in FAR_REACHING:
                if one.inherits or one.may_enter:
                    yield f"{one.member} is a member of {one.role}"
            elif one.inherits if self._has_options else self._login_inherits:
                yield f"{one.member} inherits the rights of {one.role}, instead of entering it"


def _fetch(cursor: Cursor, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    cursor.execute(query, parameters)
    return list(cursor.fetchall())
