{#- Settings of the transaction that builds a table: sorts and hashes in memory; no just-in-time
    compilation, which costs more than it saves on queries of about a second; and for a table that is
    made as a whole, the price of a disk that has to seek: what a planner that thinks random reads
    cheap likes best is to walk through a whole table in the order of an index. -#}
{% macro tune_session() -%}
    set local work_mem = '{{ var("work_mem") }}'; set local jit = off
    {%- if not is_incremental() -%}
    ; set local random_page_cost = 4
    {%- endif -%}
{%- endmacro %}
