{{ open_table('tag', column='open_groups.name as tag') }}
