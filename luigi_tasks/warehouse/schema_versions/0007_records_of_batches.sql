-- How many records each batch held when the end of a run last looked: a batch that shrank by half or more is remarked
-- on. What was loaded before this table existed is taken from the ledger.

create table if not exists etl.batches_looked_at (
    batch text not null,
    entity text not null,
    accepted bigint not null,
    primary key (batch, entity)
);

insert into etl.batches_looked_at (batch, entity, accepted)
select
    batch,
    entity,
    accepted
from etl.ledger
where measure = 'records' and verdict = 'passed'
on conflict do nothing;
