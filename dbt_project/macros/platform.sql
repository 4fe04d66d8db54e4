{#- Platforms: with an id, the platform is the key of a user or a post. It is null in the native format. -#}

{#- True if two rows are of the same platform. The planner expects it of every other pair: of `is not distinct from` it
    expects it of none where all platforms are null, and then joins by nested loops. -#}
{% macro is_same_platform(one, other) -%}
    coalesce({{ one }}.platform = {{ other }}.platform, {{ one }}.platform is null and {{ other }}.platform is null)
{%- endmacro %}

{#- The name of a platform in marts, where the native format has one, too. -#}
{% macro platform_name(platform) -%}
    coalesce({{ platform }}, 'native')
{%- endmacro %}

{#- True for a post or comment that stands alone, not in a document of the native export: its author or its post can be
    missing. There are indexes of these rows, which take nothing of the native format. -#}
{% macro stands_alone(alias) -%}
    ({{ alias }}.post_index is null or {{ alias }}.platform is not null)
{%- endmacro %}
