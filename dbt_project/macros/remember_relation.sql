{#- Records in etl.relations, in the transaction that builds a model, that it was built from scratch, or which rows of
    it changed. The pipeline can then tell whether anybody else changed it. -#}
{% macro remember_relation() -%}
    {%- set name = this.schema ~ "." ~ this.identifier -%}
    {%- if is_incremental() -%}
        select etl.count_changes('{{ name }}')
    {%- else -%}
        select etl.remember_relations(array['{{ name }}'])
    {%- endif -%}
{%- endmacro %}
