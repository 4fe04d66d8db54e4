-- The audit chain: who ran, exported, took over, granted, in the order in which it happened. Each entry has the hash of the
-- one before it, so that a changed, deleted or inserted entry shows; anchors outside the warehouse show the rest.
create table if not exists etl.audit (
    position bigint primary key,
    at timestamptz not null,
    login text not null, -- who logged in, whichever role the session has
    event text not null,
    run text not null,
    details json not null, -- its text is kept as it was written
    previous text not null,
    hash text not null
);
create index if not exists audit_run on etl.audit (run);
revoke all on etl.audit from public;

-- Appends an entry and returns its anchor, HASH@POSITION. One session writes at a time, until its transaction ends: the
-- chain has neither forks nor gaps. The same event of the same run with the same details is entered once, so that a
-- transaction whose commit was lost may be repeated. What is hashed is each field after its number of bytes and a colon:
-- no two lists of fields have the same text.
create or replace function etl.append_audit(new_event text, new_run text, new_details text) returns text
language plpgsql security definer set search_path = pg_catalog as $function$
declare
    entry etl.audit;
begin
    lock table etl.audit in exclusive mode;
    select * into entry from etl.audit
    where run = new_run and event = new_event and details::text = new_details
    order by position limit 1;
    if found then
        return entry.hash || '@' || entry.position;
    end if;
    select position, hash into entry.position, entry.previous from etl.audit order by position desc limit 1;
    entry.position := coalesce(entry.position, 0) + 1;
    entry.previous := coalesce(entry.previous, repeat('0', 64));
    entry.at := clock_timestamp();
    entry.login := session_user;
    entry.event := new_event;
    entry.run := new_run;
    entry.details := new_details;
    select
        encode(
            sha256(
                convert_to(
                    string_agg(octet_length(convert_to(field, 'UTF8')) || ':' || field, '' order by number), 'UTF8'
                )
            ),
            'hex'
        )
    into entry.hash
    from unnest(array[
        entry.position::text, trunc(extract(epoch from entry.at) * 1000000)::text, entry.login, entry.event, entry.run,
        entry.details::text, entry.previous
    ]) with ordinality as fields (field, number);
    insert into etl.audit values (entry.*);
    return entry.hash || '@' || entry.position;
end
$function$;
revoke execute on function etl.append_audit(text, text, text) from public;
