"""What people do to a warehouse by hand, and a project whose warehouse they do it to."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from project import Project, copy_folder

from bench.sample import generate_documents

USERS = 120
LATER_BATCH = "2026-01-03.json"


@dataclass(frozen=True)
class Damage:
    """A kind of damage: SQL that does it. `{seed}` is a number that differs from trial to trial.

    `is_named` where no stage can put it right: the run has to name the relation, and to end with an error.
    """

    name: str
    sql: str
    is_named: bool = False


SOME = "ctid in (select ctid from {table} order by md5(ctid::text || '{{seed}}') limit 1 + {{seed}} % 40)"


def _some(table: str) -> str:
    return SOME.format(table=table)


def _delete(table: str) -> Damage:
    return Damage(f"rows of {table} deleted", f"delete from {table} where {_some(table)}")


def _truncate(table: str) -> Damage:
    return Damage(f"{table} truncated", f"truncate {table}")


def _drop(kind: str, name: str) -> Damage:
    return Damage(f"{kind} {name} dropped", f"drop {kind} {name} cascade")


def _update(table: str, change: str) -> Damage:
    return Damage(f"{table} changed: {change}", f"update {table} set {change} where {_some(table)}")


def _insert(table: str, columns: str = "*") -> Damage:
    return Damage(f"rows of {table} twice", f"insert into {table} select {columns} from {table} where {_some(table)}")


FUNCTIONS = """
select pg_get_functiondef(oid) from pg_proc
where pronamespace = any('{etl, published}'::regnamespace[]) order by oid::regprocedure::text
"""
DAMAGES: Sequence[Damage] = (
    *(_delete(f"raw_data.{table}") for table in ("users", "posts", "comments", "rejected", "issues")),
    *(_truncate(f"raw_data.{table}") for table in ("users", "posts", "comments", "issues")),
    *(_drop("table", f"raw_data.{table}") for table in ("users", "comments", "rejected")),
    _update("raw_data.users", "name = name || '!'"),
    _update("raw_data.posts", "post_text = 'changed', tags = tags || '{{changed}}'::text[]"),
    _update("raw_data.posts", "likes = likes + 1"),
    _update("raw_data.comments", "comment_text = upper(comment_text)"),
    _update("raw_data.users", "platform = 'x'"),
    _update("raw_data.rejected", "raw = null"),
    _update("raw_data.issues", "value = 'changed'"),
    Damage(
        "rows of raw_data.posts moved to another batch",
        "update raw_data.posts set batch = '2026-01-02' where batch = "
        "'2026-01-01' and not exists (select from raw_data.posts as p where p.post_id = posts.post_id and p.batch = "
        "'2026-01-02')",
    ),
    Damage("a key changed", f"update raw_data.posts set post_id = 'x' || post_id where {_some('raw_data.posts')}"),
    Damage("columns swapped", "update raw_data.posts set likes = shares, shares = likes + 1"),
    Damage(
        "rows of a batch that was never loaded",
        "insert into raw_data.users (batch, file, position, user_id, "
        "age_imputed) values ('nowhere', 'f', 0, 'u{seed}', false)",
        is_named=True,
    ),
    Damage("a column of raw_data dropped", "alter table raw_data.posts drop column likes cascade", is_named=True),
    Damage("a column of etl dropped", "alter table etl.ledger drop column read", is_named=True),
    Damage("a type of raw_data changed", "alter table raw_data.issues alter column position type text", is_named=True),
    Damage(
        "a trigger that changes rows",
        "create function public.alter_row() returns trigger language plpgsql as "
        "'begin return null; end'; create trigger alter_row before insert on raw_data.users for each row execute "
        "function public.alter_row()",
        is_named=True,
    ),
    Damage("a rule", "create rule skip as on insert to raw_data.posts do instead nothing", is_named=True),
    Damage("a child table", "create table public.child () inherits (raw_data.comments)", is_named=True),
    Damage("raw_data rewritten, nothing else", "cluster raw_data.posts using posts_by_batch"),
    *(_drop("table", f"etl.{table}") for table in ("table_updates", "ledger", "relations", "changed_batches", "runs")),
    _drop("schema", "etl"),
    *(_drop("function", f"etl.{name}") for name in ("count_changes", "describe_relation")),
    *(_delete(f"etl.{table}") for table in ("table_updates", "ledger", "relations")),
    _update("etl.ledger", "read = read + 1, accepted = accepted + 1"),
    _update("etl.table_updates", "content = '1:1'"),
    _update("etl.table_updates", "built_from = '[]'"),
    _update("etl.table_updates", "built_from = built_from || '{{\"inputs\": 7}}'"),
    _truncate("etl.relations"),
    *(
        _drop("schema", name)
        for name in ("staging", "core", "intermediate", "candidates", "published", "marts", "marts_personal", "open")
    ),
    *(_drop("table", f"core.{name}") for name in ("dim_users", "fact_comments")),
    *(_truncate(f"core.{name}") for name in ("dim_posts", "bridge_post_tags", "dim_dates", "fact_post_interactions")),
    *(
        _delete(f"core.{name}")
        for name in ("dim_users", "dim_tags", "bridge_post_tags", "fact_comments", "dim_locations")
    ),
    _update("core.fact_post_interactions", "likes = likes + 3"),
    _update("core.dim_users", "username = 'changed'"),
    _update("core.dim_tags", "tag = tag || 'x'"),
    Damage("a column of core dropped", "alter table core.dim_posts drop column date_day cascade"),
    Damage("a column of core added", "alter table core.dim_users add column note text default 'x'"),
    _delete("intermediate.int_post_engagement"),
    _update("intermediate.int_user_engagement", "total_likes = 0"),
    _delete("candidates.tag_analysis_mart"),
    _update("candidates.daily_engagement_mart", "posts = posts + 1"),
    Damage(
        "a view of staging changed",
        "create or replace view staging.stg_users as select user_id, batch, username, "
        "email, name, age, age_imputed, gender, date_created from raw_data.users where age < 50",
    ),
    Damage(
        "a view of marts changed",
        "create or replace view marts.tag_analysis_mart as select * from published.tag_analysis_mart where tag > 'm'",
    ),
    Damage(
        "a view of published changed",
        "create or replace view published.int_post_ranks as select 1::bigint as "
        "total_engagement, 2::bigint as engagement_rank",
    ),
    Damage(
        "a mask dropped",
        "create or replace view marts.location_analysis_mart as select * from published.location_analysis_mart",
    ),
    Damage(
        "the function of masks replaced",
        "create or replace function published.mask_text(unmasked text) returns text language sql immutable "
        "parallel safe as 'select unmasked'",
    ),
    Damage(
        "a function of etl replaced",
        "create or replace function etl.digest_query(relation oid) returns text language sql stable "
        "set search_path = pg_catalog as $$select ''$$",
    ),
    Damage("a function of etl altered", "alter function etl.append_audit(text, text, text) security invoker"),
    _drop("view", "marts.user_engagement_mart"),
    _delete("published.pseudonyms"),
    _drop("table", "published.daily_engagement_mart"),
    _truncate("published.int_post_engagement"),
    _delete("published.tag_analysis_mart"),
    _update("published.location_analysis_mart", "total_posts = total_posts + 1"),
    _insert("published.daily_engagement_mart"),
    Damage("published rewritten, nothing else", "vacuum full published.daily_engagement_mart"),
    Damage("staging.touched_keys", "delete from staging.touched_keys; drop table staging.touched_keys cascade"),
    Damage("the server's statistics reset", "select pg_stat_reset()"),
)


class DamagedProject:
    """A project with two batches loaded and a third to come, that can be set back to when nothing was damaged."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._kept = project.folder.with_name("kept")
        self._later = project.folder.with_name(LATER_BATCH)
        documents = list(islice(generate_documents(USERS, seed=11), USERS))
        project.land("2026-01-01.json", documents[:70])
        project.land("2026-01-02.json", [*documents[60:100], {"user_id": ""}, {"user_id": "old", "age": 900}])
        run = project.run()
        assert run.code == 0, run.output
        self.expected = {False: self.read()}
        project.close()
        copy_folder(project.folder, self._kept)
        project.land(LATER_BATCH, documents[90:]).rename(self._later)
        self._land_later_batch()
        run = project.run()
        assert run.code == 0, run.output
        self.expected[True] = self.read()
        self.reset()

    def reset(self) -> None:
        """Undo everything: the warehouse, the checkpoints and the landing folder are as after the first run."""
        self.project.stop_server()
        shutil.rmtree(self.project.folder)
        copy_folder(self._kept, self.project.folder)

    def read(self) -> dict[str, list]:
        """The rows of all marts, of raw_data and of the ledger, and our functions."""
        tables = [f"raw_data.{name}" for name in ("users", "posts", "comments", "rejected", "issues")]
        rows = {name: sorted(self.project.rows(f"select * from {name}"), key=repr) for name in (*tables, "etl.ledger")}
        functions = self.project.rows(FUNCTIONS)
        return self.project.marts() | rows | {"functions": functions}

    def damage(self, damages: Sequence[Damage], seed: int) -> None:
        """Do the damages, each in a session of its own; one whose object an earlier one took is left out."""
        for damage in damages:
            self.project.execute(damage.sql.format(seed=seed))
        self.project.close()

    def judge(self, damages: Sequence[Damage], with_later_batch: bool) -> str:
        """Run the pipeline, twice if that goes well. Returns `put right` or `named`; fails otherwise."""
        if with_later_batch:
            self._land_later_batch()
        run = self.project.run()
        assert "Traceback" not in run.output, run.output
        if run.code == 0:
            found = self.read()
            wrong = [name for name, rows in self.expected[with_later_batch].items() if found.get(name) != rows]
            assert not wrong, (wrong, run.output)
            assert "is loaded again" not in self.project.run().output
            return "put right"
        assert any(damage.is_named for damage in damages), run.output
        return "named"

    def _land_later_batch(self) -> None:
        shutil.copy(self._later, self.project.landing / LATER_BATCH)


def choose(count: int, seed: int) -> list[Damage]:
    """Different kinds of damage at random."""
    return random.Random(seed).sample(DAMAGES, count)
