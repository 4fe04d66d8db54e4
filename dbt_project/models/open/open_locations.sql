{{ open_table('location', column='open_groups.name as location') }}
