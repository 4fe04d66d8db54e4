{{ open_table('platform') }}
