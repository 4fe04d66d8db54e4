{% test total_engagement_adds_up(model) %}

select *
from {{ model }}
where total_engagement is distinct from ({{ total_engagement() }})

{% endtest %}
