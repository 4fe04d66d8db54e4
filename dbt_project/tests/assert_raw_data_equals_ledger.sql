-- raw_data holds of every batch what its ledger says was accepted: the rows of every entity, and the sums of
-- their counters. Checks all batches, or only touched ones. Skips batches that did not pass,
-- since their earlier rows stay loaded. Returns what differs, with both numbers.

with

passed as (

    select
        ledger.batch,
        ledger.entity,
        ledger.measure,
        ledger.accepted
    from {{ source('etl', 'ledger') }} as ledger
    {{ join_touched('ledger.batch', 'batch', 'id', when=var('touched_only')) }}
    where ledger.verdict = 'passed' and ledger.entity in ('user', 'post', 'comment')

),

passed_batches as (

    select distinct batch
    from {{ source('etl', 'ledger') }}
    where verdict = 'passed'

),

posts as (

    select
        posts.batch,
        count(*) as records,
        {{ sums(post_measures() + other_measures()) }}
    from {{ source('raw_data', 'posts') }} as posts
    {{ join_touched('posts.batch collate "C"', 'batch', 'id', when=var('touched_only')) }}
    group by posts.batch

),

comments as (

    select
        comments.batch,
        count(*) as records,
        {{ sums(comment_measures()) }}
    from {{ source('raw_data', 'comments') }} as comments
    {{ join_touched('comments.batch collate "C"', 'batch', 'id', when=var('touched_only')) }}
    group by comments.batch

),

loaded as (

    select
        users.batch,
        'user' as entity,
        'records' as measure,
        count(*) as total
    from {{ source('raw_data', 'users') }} as users
    {{ join_touched('users.batch collate "C"', 'batch', 'id', when=var('touched_only')) }}
    group by users.batch
    union all
    select
        comments.batch,
        'comment' as entity,
        measured.measure,
        measured.value as total
    from comments
    cross join
        lateral (values {{ measure_rows('comments', ['records'] + comment_measures()) }})
            as measured (measure, value)
    union all
    select
        posts.batch,
        'post' as entity,
        measured.measure,
        measured.value as total
    from posts
    cross join
        lateral (values {{ measure_rows('posts', ['records'] + post_measures() + other_measures()) }})
            as measured (measure, value)

),

loaded_of_passed as (

    select loaded.*
    from loaded
    inner join passed_batches on loaded.batch = passed_batches.batch

),

final as (

    select
        coalesce(passed.batch, loaded_of_passed.batch) as batch,
        coalesce(passed.entity, loaded_of_passed.entity) as entity,
        coalesce(passed.measure, loaded_of_passed.measure) as measure,
        passed.accepted as ledger_accepted,
        loaded_of_passed.total as loaded
    from passed
    full outer join loaded_of_passed
        on
            passed.batch = loaded_of_passed.batch
            and passed.entity = loaded_of_passed.entity
            and passed.measure = loaded_of_passed.measure
    where coalesce(passed.accepted, 0) is distinct from coalesce(loaded_of_passed.total, 0)

)

select * from final
