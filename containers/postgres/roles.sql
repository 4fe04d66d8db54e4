-- Creates the warehouse's database, its owner and a role for readers. At every start it sets their passwords from the
-- environment.
\getenv owner_password POSTGRES_PASSWORD
\getenv reader_password READER_PASSWORD

select 'create role ' || name
from unnest(array['socialmart', 'reader']) as name
where not exists (select from pg_roles where rolname = name)
\gexec

alter role socialmart login password :'owner_password';
alter role reader login password :'reader_password';
grant pg_read_all_data to reader;

select 'create database warehouse owner socialmart'
where not exists (select from pg_database where datname = 'warehouse')
\gexec
