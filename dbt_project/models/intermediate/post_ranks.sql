-- A view: whoever reads a mart while it changes sees ranks and totals of one moment.
with

engagement as (

    select * from {{ ref('post_engagement') }}

),

counted as (

    select
        engagement.total_engagement,
        count(*) as posts
    from engagement
    group by engagement.total_engagement

),

final as (

    select
        counted.total_engagement,
        (sum(counted.posts) over higher - counted.posts + 1)::bigint as engagement_rank
    from counted
    window higher as (order by counted.total_engagement desc)

)

select * from final
