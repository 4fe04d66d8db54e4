-- A view: whoever reads a mart while it changes sees ranks and totals of one moment.
{{ engagement_ranks(ref('int_post_engagement')) }}
