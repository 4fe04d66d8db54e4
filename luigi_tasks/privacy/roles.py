"""Roles: the SQL that makes the warehouse's roles and grants what the map says, to print or to apply.

Each layer of the pipeline is a role that owns its schemas (warehouse/layers.py); each kind of readers of the map is a
role that others are members of. Default privileges have what is built later readable by the same roles. All of it may
be run again: it also takes back from these roles, and from PUBLIC, what the map does not say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import cursor as Cursor

from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy.masks import MASK_TEXT
from luigi_tasks.privacy.privacy_map import PIPELINE, READERS, PrivacyMap
from luigi_tasks.warehouse import layers, rights
from luigi_tasks.warehouse.audit_chain import WRITER
from luigi_tasks.warehouse.ownership import MARK
from luigi_tasks.warehouse.relation_states import FUNCTIONS as OF_STATES
from luigi_tasks.warehouse.schema_names import ETL, LUIGI_HISTORY

READER_ROLES = tuple(reader for reader in READERS if reader != PIPELINE)
FUNCTIONS = (*OF_STATES, MASK_TEXT)
"""Our functions in the warehouse."""
FOR_LOGIN = WRITER.partition("(")[0]
"""The one of them that not everybody may call."""


@dataclass(frozen=True)
class Place:
    """Where roles are made: the database, and the login of the pipeline."""

    database: str
    login: str


def require_role(name: str) -> str:
    """The role of a layer or of readers. Raises PipelineError where no roles are set."""
    role = layers.name_role(name)
    if role is None:
        raise PipelineError(
            "[privacy] role_prefix is empty, so there are no roles: the login owns everything; set it in "
            "luigi.local.cfg, to socialmart for example"
        )
    return role


def list_roles() -> list[str]:
    """All roles. Raises PipelineError where none are set."""
    return [require_role(name) for name in (*layers.LAYERS, *READER_ROLES)]


def _list_others(owner: str) -> str:
    """All roles but one, as SQL lists them."""
    return ", ".join(role for role in list_roles() if role != owner)


def list_readers(privacy_map: PrivacyMap) -> dict[str, list[str]]:
    """By schema, the roles that read it besides its owner: layers, and the readers that the map names."""
    named = {column.schema: column.handling.readers for column in privacy_map.columns}
    return {
        schema: [
            require_role(name)
            for name in (*layers.LAYERS, *READER_ROLES)
            if schema in layers.READS.get(name, ()) or name in named.get(schema, ())
        ]
        for schema in layers.OWNERS
    }


def apply(cursor: Cursor, privacy_map: PrivacyMap, place: Place) -> None:
    """Make the roles and grant what the map says, in the transaction of `cursor`.

    Raises PipelineError where the login is none, or the administrator lacks a right.
    """
    cursor.execute("select exists (select from pg_roles where rolname = %s)", (place.login,))
    if cursor.fetchone() == (False,):
        raise PipelineError(f"roles: there is no login {place.login}; name the pipeline's by --login")
    for statement in list_statements(privacy_map, place):
        try:
            cursor.execute(statement)
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedObject) as error:
            raise PipelineError(
                f"roles: the server refuses {statement.splitlines()[0]} ({error.diag.message_primary}); nothing was "
                "changed; run socialmart roles apply as a superuser, or as the warehouse's owner who may create roles"
            ) from error


def list_statements(privacy_map: PrivacyMap, place: Place) -> list[str]:
    """The statements, in their order. Raises PipelineError where no roles are set."""
    readers = list_readers(privacy_map)
    return [
        *_create_roles(),
        *_let_enter(place),
        *_restrict_database(place),
        *(statement for schema in layers.OWNERS for statement in _grant_schema(schema, readers[schema])),
        _grant_objects(readers),
    ]


def _create_roles() -> Iterator[str]:
    for role in list_roles():
        yield f"do $$ begin if to_regrole('{role}') is null then create role {role} nologin; end if; end $$"


LET_ENTER = """do $members$
begin
    if current_setting('server_version_num')::integer >= {version} then
        execute $$grant {roles} to {login} with inherit false, set true$$;
    else
        execute $$alter role {login} noinherit; grant {roles} to {login}$$;
    end if;
end
$members$"""


def _let_enter(place: Place) -> Iterator[str]:
    """The login enters the layers, and has no rights of its own."""
    yield LET_ENTER.format(
        roles=", ".join(require_role(layer) for layer in layers.LAYERS),
        login=_quote(place.login),
        version=rights.FIRST_WITH_INHERIT_OPTION,
    )


def _restrict_database(place: Place) -> Iterator[str]:
    database = _quote(place.database)
    connecting = ", ".join([_quote(place.login), *(require_role(name) for name in READER_ROLES)])
    yield f"revoke all on database {database} from public"
    yield f"grant connect on database {database} to {connecting}"


CREATE_SCHEMA = """do $schema$
begin
    if to_regnamespace('{schema}') is null then
        create schema {schema} authorization {owner};
    elsif exists (select from pg_namespace where nspname = '{schema}' and nspowner <> to_regrole('{owner}')) then
        alter schema {schema} owner to {owner};
    end if;
end
$schema$"""


def _grant_schema(schema: str, readers: Sequence[str]) -> Iterator[str]:
    owner = require_role(layers.OWNERS[schema])
    others = _list_others(owner)
    yield CREATE_SCHEMA.format(schema=schema, owner=owner)
    yield f"set local role {owner}"  # what it owns it grants, and nobody else needs to be its heir
    yield f"revoke all on schema {schema} from public, {others}"
    yield f"grant all on schema {schema} to {owner}"
    default = f"alter default privileges for role {owner} in schema {schema}"
    yield f"{default} revoke all on tables from public, {others}"
    if readers:
        yield f"grant usage on schema {schema} to {', '.join(readers)}"
        yield f"{default} grant select on tables to {', '.join(readers)}"
    yield "set local role none"


OBJECTS = """do $objects$
declare
    found record;
begin
    for found in
        select
            kind, name, owner, others, readers, is_shared, is_for_all,
            owner_now <> to_regrole(owner) as is_to_be_handed_over
        from (values {schemas}) as schemas (schema_name, owner, others, readers)
        inner join (
            select
                relnamespace as namespace,
                relowner as owner_now,
                case relkind when 'v' then 'view' else 'table' end as kind,
                format('%I.%I', relnamespace::regnamespace, relname) as name,
                relnamespace = to_regnamespace('{etl}') and relname = any('{{{shared}}}') as is_shared,
                false as is_for_all
            from pg_class
            where
                relkind in ('r', 'v')
                and (
                    relnamespace = to_regnamespace('{history}')
                    or strpos(coalesce(obj_description(oid, 'pg_class'), ''), '{mark}') > 0
                )
            union all
            select
                pronamespace, proowner, 'function', oid::regprocedure::text, false,
                format('%s.%s', pronamespace::regnamespace, proname) <> '{for_login}'
            from pg_proc
            where format('%s.%s', pronamespace::regnamespace, proname) = any('{{{functions}}}')
        ) as objects on namespace = to_regnamespace(schema_name)
    loop
        if found.is_to_be_handed_over then
            execute format('alter %s %s owner to %s', found.kind, found.name, found.owner);
        end if;
        execute format('set local role %s', found.owner);
        if found.kind = 'function' then
            execute format('revoke all on function %s from public, %s', found.name, found.others);
            if found.is_for_all then
                execute format('grant execute on function %s to public', found.name);
            end if;
            set local role none;
            continue;
        end if;
        execute format('revoke all on %s from public, %s', found.name, found.others);
        if found.readers <> '' then
            execute format('grant select on %s to %s', found.name, found.readers);
        end if;
        if found.is_shared then
            execute format('grant insert, update, delete on %s to {writers}', found.name);
        end if;
        set local role none;
    end loop;
end
$objects$"""
"""Gives what there is in our schemas, and is ours, to its owner, and the rights on it to those who have them."""


def _grant_objects(readers: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for schema, layer in layers.OWNERS.items():
        owner = require_role(layer)
        rows.append(f"('{schema}', '{owner}', '{_list_others(owner)}', '{', '.join(readers[schema])}')")
    return OBJECTS.format(
        schemas=", ".join(rows),
        etl=ETL,
        shared=", ".join(layers.SHARED),
        history=LUIGI_HISTORY,
        mark=MARK,
        functions=", ".join(FUNCTIONS),
        for_login=FOR_LOGIN,
        writers=", ".join(require_role(layer) for layer in layers.WRITERS),
    )


def _quote(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
