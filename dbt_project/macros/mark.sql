{#- The comment that tells relations of this pipeline from those of others: without it a run refuses to replace them. -#}
{% macro mark_as_ours() -%}
    {%- if not is_incremental() -%}
        comment on {{ "view" if config.get("materialized") == "view" else "table" }} {{ this }}
        is 'Written by the stage DbtRun.'
    {%- endif -%}
{%- endmacro %}
