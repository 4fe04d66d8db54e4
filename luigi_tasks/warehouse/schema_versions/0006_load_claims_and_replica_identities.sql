-- Locks of loads are rows of a table of ours: an advisory lock can be taken by anybody who may connect.
create table if not exists etl.load_claims (table_name text primary key);
insert into etl.load_claims values ('users'), ('posts'), ('comments'), ('rejected'), ('issues') on conflict do nothing;

-- Tables without a primary key say by which columns a replica finds a row: once a publication has all tables, nothing
-- can be deleted from a table that does not.
alter table raw_data.users replica identity full;
alter table raw_data.posts replica identity full;
alter table raw_data.comments replica identity full;
alter table raw_data.rejected replica identity full;
alter table raw_data.issues replica identity full;
alter table etl.replaced_keys replica identity full;
alter table etl.replayed_records replica identity full;
