"""Who may call which method of luigid: the only list of them. A method that stands nowhere is refused to all but runs.

Runs ask luigid directly, with the dashboard's token, and may call all of them. People come through the proxy, whose
login says whether they are viewers or operators.
"""

VIEWER_METHODS = frozenset(
    {
        "dep_graph",
        "fetch_error",
        "get_running_task_resources",
        "get_scheduler_message_response",
        "get_task_progress_percentage",
        "get_task_status_message",
        "graph",
        "has_task_history",
        "inverse_dep_graph",
        "is_pause_enabled",
        "is_paused",
        "resource_list",
        "task_list",
        "task_search",
        "worker_list",
    }
)
"""What changes nothing: for everybody who may open the dashboard."""
OPERATOR_METHODS = frozenset(
    {
        "disable_worker",
        "forgive_failures",
        "mark_as_done",
        "pause",
        "re_enable_task",
        "send_scheduler_message",
        "set_worker_processes",
        "unpause",
        "update_resource",
    }
)
"""What the buttons of luigid's page call besides."""
RUN_METHODS = frozenset(
    {
        "add_scheduler_message_response",
        "add_task",
        "add_task_batcher",
        "add_worker",
        "announce_scheduling_failure",
        "count_pending",  # notes the worker that asks
        "decrease_running_task_resources",
        "get_work",
        "ping",
        "prune",
        "report_task_statistics",
        "set_task_progress_percentage",
        "set_task_status_message",
        "update_metrics_task_started",
        "update_resources",
    }
)
"""What Luigi's workers call: never through the proxy."""
