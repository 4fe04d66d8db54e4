{#- Settings of the transaction that builds a table: memory for sorts and hashes; no just-in-time compilation, which
    costs more than it saves on queries of about a second; and for a table built from scratch a high price of random
    reads, because at a low price the planner prefers to read whole tables in the order of an index. -#}
{% macro tune_session() -%}
    set local work_mem = '{{ var("work_mem") }}'; set local jit = off
    {%- if not is_incremental() -%}
    ; set local random_page_cost = 4
    {%- endif -%}
{%- endmacro %}
