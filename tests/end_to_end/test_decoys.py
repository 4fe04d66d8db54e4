"""The owner's rights are not lent out: whatever others put in the way of names, the pipeline never calls it."""

from collections.abc import Iterator

import pytest
from external import ExternalServer, external_server
from project import MakeProject, Project

USERS = [
    {
        "user_id": f"u{number}",
        "username": f"user {number}",
        "posts": [{"post_id": f"p{number}", "tags": ["a"], "comments": [{"user_id": "u1", "comment": "c"}]}],
    }
    for number in range(3)
]
LURE = """
set search_path = pg_catalog;
create sequence public.calls;
create function public.lure() returns text language plpgsql security definer set search_path = public as
$$ begin perform pg_catalog.nextval('public.calls'); raise exception 'a decoy was called'; end $$;
do $$
declare
    decoy record;
begin
    for decoy in
        select
            format('%I', proname) as name,
            replace(replace(
                pg_catalog.pg_get_function_identity_arguments(oid), 'anycompatible', 'any'), 'anynonarray', 'anyelement'
            ) as arguments,
            case when prorettype::regtype::text like 'any%' then 'text' else prorettype::regtype::text end as returned
        from pg_catalog.pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and prokind <> 'p'
    loop
        begin
            execute format(
                'create function public.%s(%s) returns %s language sql as $f$ select public.lure()::%3$s $f$',
                decoy.name,
                replace(replace(replace(decoy.arguments, 'anyarray', 'text[]'), 'anyelement', 'text'), '"any"', 'text'),
                decoy.returned
            );
        exception when others then null; -- of internal types, which nobody can make functions for
        end;
    end loop;
    for decoy in
        select
            oprname as name,
            case when oprleft::regtype::text like 'any%' then 'text[]' else oprleft::regtype::text end as "left",
            case when oprright::regtype::text like 'any%' then 'text[]' else oprright::regtype::text end as "right",
            row_number() over () as number
        from pg_catalog.pg_operator
        where oprleft <> 0 and oprresult = 'bool'::regtype
    loop
        begin
            execute format(
                'create function public.compare_%s(%s, %s) returns bool language sql as '
                '$f$ select public.lure()::bool $f$', decoy.number, decoy.left, decoy.right
            );
            execute format(
                'create operator public.%s (function = public.compare_%s, leftarg = %s, rightarg = %s)',
                decoy.name, decoy.number, decoy.left, decoy.right
            );
        exception when others then null;
        end;
    end loop;
    for decoy in
        select distinct format('%I', relname) as name from pg_catalog.pg_class
        where relkind in ('r', 'v') and relnamespace = 'pg_catalog'::regnamespace
        union select unnest(array['users', 'posts', 'comments', 'runs', 'ledger', 'dim_users', 'touched_keys'])
    loop
        execute format('create view public.%s as select public.lure() as lured', decoy.name);
    end loop;
end
$$;
"""
"""As the analyst: a function for every function there is, an operator for every comparison, a view for every table."""


@pytest.fixture(scope="module")
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows("create role owner login; create role analyst login")
        running.rows("create database trap owner owner")
        running.rows("grant create on schema public to analyst", "trap")
        running.rows("grant usage on schema public to public; alter role owner set search_path = public, pg_catalog")
        running.rows(LURE, "trap", "analyst")
        yield running


def run_well(project: Project, server: ExternalServer) -> None:
    ran = project.run(**server.lead_to("trap", "owner"))
    assert ran.code == 0, ran.output


@pytest.mark.slow
def test_pipeline__calls_nothing_that_others_made(make_project: MakeProject, server: ExternalServer):
    (made,) = server.rows("select count(*) from pg_proc where pronamespace = 'public'::regnamespace", "trap")
    assert made > (2000,)
    with pytest.raises(Exception, match="a decoy was called"):
        server.rows("set search_path = public, pg_catalog; select unnest(array['a'])", "trap", "owner")
    assert calls(server) > 0
    server.rows("alter sequence public.calls restart", "trap")

    project = make_project()
    project.land("2026-01-01.json", USERS)
    run_well(project, server)
    project.land("2026-01-02.json", [USERS[0] | {"username": "renamed"}, {"user_id": "u9"}])
    run_well(project, server)
    project.land("2026-01-01.json", USERS[:2])
    run_well(project, server)
    for command in (["doctor"], ["explain"], ["summary"], ["rejected"], ["report"], ["docs"], ["psql", "-c", "\\d"]):
        ended = project.socialmart(*command, **server.lead_to("trap", "owner"))
        assert ended.code == 0, ended.output
    assert calls(server) == 0


def calls(server: ExternalServer) -> int:
    """How many calls there were, those of transactions that were rolled back included."""
    ((last, called),) = server.rows("select last_value, is_called from public.calls", "trap")
    return last if called else 0
