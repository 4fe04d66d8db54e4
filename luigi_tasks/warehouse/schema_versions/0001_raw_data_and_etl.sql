-- The schemas raw_data and etl. Also run once on a warehouse loaded before etl.schema_versions existed: it has most of
-- this already, and a comment on raw_data that named its layout.
do $$
begin
    if to_regnamespace('raw_data') is null then
        create schema raw_data;
    end if;
    if to_regnamespace('etl') is null then
        create schema etl;
    end if;
    if obj_description(to_regnamespace('raw_data'), 'pg_namespace') like 'layout %' then
        comment on schema raw_data is null;
    end if;
end
$$;

create table if not exists raw_data.users (
    batch text not null,
    file text not null,
    position bigint not null,
    user_id text not null,
    username text,
    email text,
    name text,
    age integer,
    age_imputed boolean not null,
    gender text,
    date_created timestamp
);
create table if not exists raw_data.posts (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer not null,
    post_id text not null,
    user_id text not null,
    post_text text,
    location text,
    post_timestamp timestamp,
    shares bigint not null,
    likes bigint not null,
    love bigint not null,
    wow bigint not null,
    haha bigint not null,
    sad bigint not null,
    angry bigint not null,
    tags text[] not null
);
create table if not exists raw_data.comments (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer not null,
    comment_index integer not null,
    comment_key uuid not null,
    post_id text not null,
    comment_user_id text,
    comment_text text not null,
    comment_timestamp timestamp
);
create table if not exists raw_data.rejected (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer,
    comment_index integer,
    entity text not null,
    rules text[] not null,
    raw text
);
create table if not exists raw_data.issues (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer,
    comment_index integer,
    entity text not null,
    record_id text,
    field text not null,
    rule text not null,
    value text
);

create table if not exists etl.table_updates (
    update_id text primary key,
    target_table text not null,
    batch text not null,
    inserted timestamptz not null default now(),
    unique (target_table, batch)
);
create table if not exists etl.ledger (
    batch text not null,
    verdict text not null,
    entity text not null,
    measure text not null,
    read bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    duplicate bigint not null,
    primary key (batch, entity, measure)
);
create table if not exists etl.runs (
    run_id text primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    host text not null,
    outcome text not null,
    login text not null default '',
    command text not null default '',
    versions jsonb not null default '{}'
);
alter table etl.runs -- of layouts before the last
    drop column if exists stages,
    add column if not exists login text not null default '',
    add column if not exists command text not null default '',
    add column if not exists versions jsonb not null default '{}';
create table if not exists etl.stages (
    run_id text not null,
    stage text not null,
    batches text[] not null,
    started_at timestamptz not null,
    seconds double precision not null,
    rows bigint,
    outcome text not null,
    primary key (run_id, stage, started_at)
);
create table if not exists etl.remarks (
    run_id text not null,
    kind text not null,
    subject text not null,
    remark text not null,
    primary key (run_id, kind, subject, remark)
);
create table if not exists etl.days_looked_at (
    date_day date primary key,
    posts bigint not null,
    reactions bigint not null
);
create table if not exists etl.changed_batches (
    table_name text not null,
    batch text not null,
    in_work boolean not null default false,
    primary key (table_name, batch)
);
create table if not exists etl.replaced_keys (
    table_name text not null,
    id text not null,
    in_work boolean not null default false
);
create table if not exists etl.replayed_records (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer,
    comment_index integer,
    entity text not null,
    rules text[] not null,
    digest uuid not null,
    read bigint
);
create table if not exists etl.replays (
    replay_id text not null,
    batch text not null,
    rule text not null,
    entity text not null,
    before bigint not null,
    came_back bigint not null,
    still_rejected bigint not null,
    gone bigint not null,
    replayed_at timestamptz not null default now(),
    primary key (replay_id, batch, rule, entity),
    check (before = came_back + still_rejected + gone)
);
