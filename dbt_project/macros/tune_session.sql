{#- Settings of the transaction that builds a table: sorts and hashes in memory; no just-in-time
    compilation, which costs more than it saves on queries of about a second. -#}
{% macro tune_session() -%}
    set local work_mem = '{{ var("work_mem") }}'; set local jit = off
{%- endmacro %}
