{{ open_table('day', column='nullif(open_groups.name, ' ~ other_group() ~ ')::date as date_day') }}
