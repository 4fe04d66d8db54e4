-- A view, so that a reader of a mart that is being updated sees ranks and totals of the same moment.
{{ engagement_ranks(ref('int_user_engagement')) }}
