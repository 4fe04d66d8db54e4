"""The summary and the notification after a run with several anomalies, on a history of ordinary days."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Thread
from typing import Any

from project import MakeProject, Project
from test_notify import receivers

ORDINARY_DAYS = 60
POSTS = 40


def export(day: date, posts: int, **more: object) -> list[dict[str, Any]]:
    created = f"{day}T10:00:00Z"
    written = [
        {"post_id": f"{day} {number}", "timestamp": created, "reactions": {"like": 2}} for number in range(posts)
    ]
    return [{"user_id": f"user of {day}", "posts": written, **more}]


def days_that_are_over(count: int) -> list[date]:
    today = datetime.now(UTC).date()
    return [today - timedelta(days=count - number) for number in range(count)]


def pretend_that_it_ran_before(project: Project) -> None:
    """Record six earlier runs, each with a load of a tenth of a second."""
    for number in range(6):
        project.rows(
            "insert into etl.stages select 'run ' || %s, 'Load users', '{}', now() - interval '1 day', 0.1, 1, 'done'",
            number,
        )


HOLD_UP = """
do $$ begin
    lock table raw_data.users in share mode;
    for attempt in 1..600 loop
        exit when exists (select 1 from pg_locks where relation = 'raw_data.users'::regclass and not granted);
        perform pg_sleep(0.1);
    end loop;
    perform pg_sleep(3);
end $$
"""
"""Makes a load of users wait for three seconds."""


def test_anomalies__are_in_summary_and_notification_and_ordinary_days_are_not(make_project: MakeProject):
    project = make_project({"notify": {"on": "warnings"}})
    random = Random(1)
    *ordinary, last = days_that_are_over(ORDINARY_DAYS + 1)
    for day in ordinary:
        project.land(f"{day}.json", export(day, round(random.gauss(POSTS, 3))))
    with receivers() as received:
        assert project.run(SOCIALMART_NOTIFY=received.addresses).code == 0
        assert (received.mails, received.posts) == ([], [])
        assert project.rows("select count(*) from etl.remarks") == [(0,)]

        pretend_that_it_ran_before(project)
        project.land(f"{last}.json", export(last, POSTS // 10, shoe_size=43))
        busy = Thread(target=project.rows, args=(HOLD_UP,))
        busy.start()
        ran = project.run(SOCIALMART_NOTIFY=received.addresses, SOCIALMART_RUN_ID="night")
        busy.join()
    assert ran.code == 0, ran.output
    [post], [mail] = received.posts, received.mails
    summary = project.socialmart("summary").output
    for told in (post["message"], mail.replace("=\r\n", ""), summary):
        assert f"Load users {last} took " in told
        assert f"batch {last}: unknown fields: shoe_size" in told
        assert f"{last:%A} {last}: 4 posts; " in told
        assert f"{last:%A} {last}: 8 reactions; " in told
