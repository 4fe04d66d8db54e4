-- Creates the warehouse's database and the logins of the pipeline and of readers. At every start it sets their passwords
-- from the environment. Neither owns anything: what they may do, grants.sql says.
\getenv owner_password POSTGRES_PASSWORD
\getenv reader_password READER_PASSWORD

select 'create role ' || name
from unnest(array['socialmart', 'reader']) as name
where not exists (select from pg_roles where rolname = name)
\gexec

alter role socialmart login password :'owner_password';
alter role reader login password :'reader_password';
revoke pg_read_all_data from reader;

select 'create database warehouse'
where not exists (select from pg_database where datname = 'warehouse')
\gexec

alter database warehouse owner to postgres;
