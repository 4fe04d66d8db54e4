"""Compares what is granted in the warehouse with the map: what roles lack, and what anybody has too much."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.privacy import roles
from luigi_tasks.privacy.granted import FAR_REACHING, NEW_TABLES, Catalogue, Grant, Owned
from luigi_tasks.privacy.privacy_map import PrivacyMap
from luigi_tasks.warehouse import layers
from luigi_tasks.warehouse.schema_names import ETL


@dataclass(frozen=True)
class Differences:
    """Sentences on what is missing, for which `socialmart roles apply` is the remedy, and on what is too much."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def find_differences(cursor: Cursor, privacy_map: PrivacyMap, login: str) -> Differences:
    """Compare owners, grants, memberships, attributes and settings with the map. `login`: that of the pipeline."""
    found = Catalogue(cursor, login)
    missing = [f"the role {role} is missing" for role in roles.list_roles() if role not in found.attributes]
    if missing:
        return Differences(tuple(missing))
    wanted = set(_list_wanted(privacy_map, found.owned))
    extra = [f"{one.grantee} has {one.describe()}" for one in sorted(found.grants - wanted)]
    lacking = [f"{one.grantee} lacks {one.describe()}" for one in sorted(wanted - found.grants)]
    return Differences(
        (*_list_wrong_owners(found), *_list_missing_memberships(found), *lacking),
        (*extra, *_list_extra_rights(found), *_list_ways_around(found)),
    )


def _list_wanted(privacy_map: PrivacyMap, owned: Sequence[Owned]) -> Iterator[Grant]:
    """The grants that the map asks for, on what there is. All may call functions that act as who calls them."""
    readers = roles.list_readers(privacy_map)
    writers = [roles.require_role(layer) for layer in layers.WRITERS]
    for kind, name, schema, _ in owned:
        if kind == "function":
            if not name.startswith(roles.FOR_LOGIN):
                yield Grant("public", "execute", kind, name)
            continue
        for role in readers[schema]:
            yield Grant(role, "usage" if kind == "schema" else "select", kind, name)
            if kind == "schema":
                yield Grant(role, "select", NEW_TABLES, name)
        if schema == ETL and name.partition(".")[2] in layers.SHARED:
            yield from (Grant(role, each, kind, name) for role in writers for each in ("insert", "update", "delete"))


def _list_wrong_owners(found: Catalogue) -> Iterator[str]:
    """Schemas that are missing, and what a wrong role owns."""
    there = {one.schema for one in found.owned if one.kind == "schema"}
    yield from (f"the schema {schema} is missing" for schema in layers.OWNERS if schema not in there)
    for one in found.owned:
        wanted = roles.require_role(layers.OWNERS[one.schema])
        if one.owner != wanted:
            yield f"{one.kind} {one.name} is owned by {one.owner}, not by {wanted}"


def _list_missing_memberships(found: Catalogue) -> Iterator[str]:
    """Layers that the login may not enter."""
    entered = {one.role for one in found.memberships if one.member == found.login and one.may_enter}
    for layer in layers.LAYERS:
        role = roles.require_role(layer)
        if role not in entered:
            yield f"{found.login} may not enter {role}"


def _list_extra_rights(found: Catalogue) -> Iterator[str]:
    """Attributes and memberships with which a role gets past what is granted to it."""
    for role, attributes in found.attributes.items():
        yield from (f"{role} {what}" for what in attributes)
    for one in found.memberships:
        if one.member != found.login or one.role in FAR_REACHING:
            if one.inherits or one.may_enter:
                yield f"{one.member} is a member of {one.role}"
        elif one.inherits if found.has_options else found.login_inherits:
            yield f"{one.member} inherits the rights of {one.role}, instead of entering it"


def _list_ways_around(found: Catalogue) -> Iterator[str]:
    """Functions that lend others the rights of a role, and settings that change what the login's sessions do."""
    for one in found.definers:
        if not one.is_meant:
            yield f"function {one.name} gives whoever calls it the rights of {one.owner}"
        elif not one.has_own_path:
            yield (
                f"function {one.name} finds names where its caller looks: alter function {one.name} set search_path = "
                "pg_catalog"
            )
    for setting in found.settings:
        yield f"sessions of {found.login} begin with {setting.name} = {setting.value}: {setting.reset}"
