"""The report in a real browser: every number on it is what the warehouse says, and nothing on it is but text."""

from collections import Counter
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import DESK, PHONE, Look, started
from playwright.sync_api import Browser
from project import MakeProject, Project

REACTIONS = ("like", "love", "wow", "haha", "sad", "angry")
SUM = "total_likes + total_love + total_wow + total_haha + total_sad + total_angry + total_other_reactions"
SUM_OF_KNOWN = " + ".join(f"coalesce({name}, 0)" for name in SUM.split(" + "))
SUM_OF_POST = f"case when coalesce({SUM.replace(' +', ',')}) is not null then {SUM_OF_KNOWN} end"
"""Reactions of a post: unknown if its format has none."""
COVERAGE = "round(100 * comment_coverage, 1)"
CHARTS = ("timeline-chart", "reactions-chart", "post-hours-chart", "comment-hours-chart", "tags-chart", "runs-chart")
TABLES = ("top-posts", "top-users", "top-locations", "top-tags", "ledger", "rejections", "issues", "remarks")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TOP = 50

SCRIPT = "</script><script>window.hacked = 1</script>"
IMAGE = '<img src="https://x.net/x.png" onerror="window.hacked = 1">'
LINK = '<a href="javascript:window.hacked = 1">a link</a>'
NASTY = (
    SCRIPT,
    IMAGE,
    LINK,
    "{{ 7 * 7 }}{% endraw %}",
    "%{x} $\\alpha$ &lt;b&gt;",
    "\u202etxet a\u2066 שלום",
    "\x01\x1b[31m!",
)
LONG = "x" * 400


def hostile(number: int, text: str) -> dict[str, Any]:
    """A document that holds a text wherever the report may show it."""
    post = {
        "post_id": f"{number} {text}",
        "post_text": f"{text}\n{LONG}",
        "location": text,
        "timestamp": f"2024-02-{number + 1:02} 0{number % 10}:30:00",
        "shares": number,
        "tags": [text, "art"],
        "reactions": {"like": number, "wow": 2},
        "comments": [{"user_id": text, "comment": text, "timestamp": "2024-03-01 23:59:59"}],
    }
    return {"user_id": f"{number} {text}", "username": text, "age": text, "posts": [post]}


SYNTHETIC = """
insert into raw_data.users (batch, file, position, user_id, username, age_imputed)
select 'synthetic', 'f', n, 'u' || n, 'user ' || n, false from generate_series(1, 10100) as n;
insert into raw_data.posts (
    batch, file, position, post_index, post_id, user_id, post_text, location, post_timestamp,
    shares, likes, love, wow, haha, sad, angry, tags
)
select
    'synthetic', 'f', n, 0, 'p' || n, 'u' || n % 10000 + 1, repeat('text ' || n || ' ', 100),
    case when n % 3 > 0 then 'place ' || n % 1000 end,
    timestamp '2014-01-01 00:00:00' + n % 3650 * interval '1 day' + n % 1440 * interval '1 minute',
    n % 7, n % 11, n % 13, n % 3, n % 2, n % 5, n % 17, array['tag ' || n % 5000, 'tag ' || n % 20 || ' often']
from generate_series(1, 100000) as n;
insert into raw_data.comments (
    batch, file, position, post_index, comment_index, comment_key, post_id, comment_user_id, comment_text,
    comment_timestamp
)
select
    'synthetic', 'f', n, 0, 0, md5(n::text)::uuid, 'p' || n * 7 % 100000 + 1, 'u' || n % 12000, 'a comment',
    timestamp '2014-01-01 12:00:00' + n % 3650 * interval '1 day' - n % 300 * interval '1 minute'
from generate_series(1, 120000) as n;
update raw_data.users set platform = 'x', followers = position where batch = 'synthetic' and position % 5 = 0;
update raw_data.posts set
    platform = 'x', likes = null, love = null, wow = null, haha = null, sad = null, angry = null,
    shares = case when position % 5000 = 4 then 100 + position % 7 else shares end,
    other_reactions = case when position % 5000 <> 4 then position % 3 end,
    reported_comments = case when position % 10 = 4 then position % 3 end, views = position % 11
where batch = 'synthetic' and position % 5 = 4;
update raw_data.comments set platform = 'x' where batch = 'synthetic' and position * 7 % 5 = 3;
insert into etl.ledger
select 'synthetic', 'passed', entity, measure, n, n, 0, 0
from (
    select 'user' as entity, 'records' as measure, count(*) as n from raw_data.users where batch = 'synthetic'
    union all
    select 'comment', 'records', count(*) from raw_data.comments where batch = 'synthetic'
    union all
    select 'post', measure, n
    from (
        select
            count(*) as records, sum(shares) as shares, sum(likes) as likes, sum(love) as love, sum(wow) as wow,
            sum(haha) as haha, sum(sad) as sad, sum(angry) as angry, sum(other_reactions) as other_reactions,
            sum(reported_comments) as reported_comments, sum(views) as views
        from raw_data.posts where batch = 'synthetic'
    ) as sums
    cross join lateral (
        values ('records', records), ('shares', shares), ('likes', likes), ('love', love), ('wow', wow),
        ('haha', haha), ('sad', sad), ('angry', angry), ('other_reactions', other_reactions),
        ('reported_comments', reported_comments), ('views', views)
    ) as measures (measure, n)
) as counted;
insert into etl.ledger values
('synthetic', 'passed', 'post', 'skipped.repost', 1200, 0, 0, 0, 1200),
('synthetic', 'passed', 'comment', 'skipped.deleted', 7, 0, 0, 0, 7);
insert into etl.table_updates (update_id, target_table, batch, built_from) -- as by a version that knew no digests
select 'raw_data.' || name || '/synthetic', 'raw_data.' || name, 'synthetic', '{}'
from unnest(array['users', 'posts', 'comments']) as name;
insert into etl.runs (run_id, started_at, finished_at, host, outcome)
select 'earlier ' || n, timestamptz '2025-01-01' + n * interval '1 day', now(), 'here', 'done'
from generate_series(1, 300) as n;
insert into etl.stages (run_id, stage, batches, started_at, seconds, rows, outcome)
select
    'earlier ' || n, stage, '{}', timestamptz '2025-01-01' + n * interval '1 day' + k * interval '1 s', n * k, 1, 'done'
from generate_series(1, 300) as n
cross join (values (1, 'Extract'), (2, 'Load users'), (3, 'Load posts'), (4, 'Publish')) as stages (k, stage);
insert into etl.remarks
select 'earlier ' || n, 'slow stage', 'Extract', 'remark ' || n from generate_series(1, 300) as n;
delete from etl.table_updates where target_table in ('candidates', 'candidates tested', 'marts')
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as made:
        yield made


@pytest.fixture(scope="module")
def nasty(make_project: MakeProject) -> Project:
    """All that is shown came with the exports and means harm; one batch is stopped, records and fields were wrong."""
    made = make_project()
    made.land("2026-01-01.json", [hostile(n, text) for n, text in enumerate(NASTY)])
    made.land("2026-01-02.json", [{"user_id": "ann"}, *({"user_id": f"u{n}"} for n in range(4)), {"name": "nobody"}])
    made.land("<img src=x onerror=hacked=1>.json", "[{")
    assert made.run().code == 30
    written(made)
    return made


@pytest.fixture(scope="module")
def big(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [hostile(n, text) for n, text in enumerate(NASTY)])
    assert made.run().code == 0
    made.rows(SYNTHETIC)
    ran = made.run()
    assert ran.code == 0, ran.output
    written(made)
    return made


@pytest.fixture(scope="module")
def empty(make_project: MakeProject) -> Project:
    made = make_project()
    ran = made.run()
    assert ran.code == 0, ran.output
    made.rows("delete from etl.stages; delete from etl.runs")
    written(made)
    return made


@pytest.fixture(scope="module", params=["nasty", "big"])
def project(request: pytest.FixtureRequest) -> Project:
    return request.getfixturevalue(request.param)


def report(project: Project) -> Path:
    return project.folder / "data" / "report" / "index.html"


def written(project: Project) -> None:
    """Have the report written now, beside any run."""
    ended = project.socialmart("report")
    assert (ended.code, ended.output) == (0, f"{report(project)}\n")


@pytest.fixture(scope="module")
def look(browser: Browser, project: Project) -> Look:
    return Look(browser, report(project))


def number(value: Any) -> str:
    return f"{value:,}"


def numbers(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Rows as the page shows them; null is unknown."""
    return [["–" if x is None else x if isinstance(x, str) else number(x) for x in row] for row in rows]


def columns(look: Look, table: str, *headings: str) -> list[list[str]]:
    """The cells of a table in the columns of these headings."""
    names = look.texts(f"{table} th")
    return [[row[names.index(heading)] for heading in headings] for row in look.table(table)]


def test_page__complains_of_nothing_and_asks_for_nothing(look):
    look.page.wait_for_selector("#runs-chart .main-svg")
    assert (look.wrong, look.requests) == ([], [])


def test_page__is_small(project):
    assert report(project).stat().st_size < 6_000_000


def test_figures__are_those_of_the_marts(look, project):
    [(users, authors)] = project.rows(
        "select count(*), count(*) filter (where total_posts > 0) from marts_personal.user_engagement_mart"
    )
    [(posts, comments, reactions, shares, engagement)] = project.rows(
        f"select count(*), sum(total_comments), sum({SUM_OF_KNOWN}), sum(total_shares), sum(total_engagement) "
        "from marts_personal.content_performance_mart"
    )

    def each(total: int) -> str:
        return number((Decimal(total) / users).quantize(Decimal("0.01"), ROUND_HALF_UP))

    found = look.ask(
        "Object.fromEntries([...document.querySelectorAll('dd')].map(e => [e.dataset.figure, e.textContent]))"
    )
    assert found == {
        "users": number(users),
        "authors": number(authors),
        "posts": number(posts),
        "comments": number(comments),
        "reactions": number(reactions),
        "shares": number(shares),
        "engagement": number(engagement),
        "posts_per_user": each(posts),
        "comments_per_user": each(comments),
        "engagement_per_user": each(engagement),
    }


def test_head__says_when(look, project):
    minute = "YYYY-MM-DD HH24:MI"
    [times] = project.rows(
        "select min(date_day)::text, max(date_day)::text, "
        f"(select to_char(max(inserted), '{minute}') from etl.table_updates where target_table ~ '^raw_data'), "
        f"(select to_char(inserted, '{minute}') from etl.table_updates where target_table = 'marts') "
        "from (select post_timestamp::date as date_day from marts_personal.content_performance_mart "
        "union select comment_timestamp::date from core.fact_comments) as days"
    )
    assert look.texts("header time")[:4] == list(times)


def test_timeline__is_of_the_posts_and_comments(look, project):
    unit = look.texts("#timeline-chart-title")[0].split()[-1]
    bucket = f"to_char(date_trunc('{unit}', %s), 'YYYY-MM-DD')"
    posts = {
        day: counts
        for day, *counts in project.rows(
            f"select {bucket % 'post_timestamp'}, count(*), sum({SUM_OF_KNOWN}) "
            "from marts_personal.content_performance_mart where post_timestamp is not null group by 1"
        )
    }
    comments = dict(
        project.rows(
            f"select {bucket % 'comment_timestamp'}, count(*) from core.fact_comments "
            "where comment_timestamp is not null group by 1"
        )
    )
    days = sorted({*posts, *comments})
    assert unit == ("month" if len(posts) > 100 else "day")
    traces = {trace["name"]: dict(zip(trace["x"], trace["y"], strict=True)) for trace in look.traces("timeline-chart")}
    assert traces == {
        "posts": {day: posts.get(day, [0, 0])[0] for day in days},
        "comments": {day: comments.get(day, 0) for day in days},
        "reactions": {day: posts.get(day, [0, 0])[1] for day in days},
    }


def test_reactions__are_those_of_the_posts(look, project):
    [[*counts, other]] = project.rows(
        f"select {', '.join(f'sum({name})' for name in SUM.split(' + '))} from marts_personal.content_performance_mart"
    )
    [trace] = look.traces("reactions-chart")
    expected = dict(zip(REACTIONS, counts, strict=True)) | ({"other": other} if other else {})
    assert dict(zip(trace["y"], trace["x"], strict=True)) == expected


@pytest.mark.parametrize(
    ("chart", "times"),
    [
        ("post-hours-chart", "post_timestamp as t from marts_personal.content_performance_mart"),
        ("comment-hours-chart", "comment_timestamp as t from core.fact_comments"),
    ],
)
def test_hours__are_counted_by_weekday(look, project, chart, times):
    counts = Counter((f"{time:%a}", f"{time:%H}") for (time,) in project.rows(f"select {times}") if time is not None)
    [trace] = look.traces(chart)
    assert trace["z"] == [[counts[day, f"{hour:02}"] for hour in range(24)] for day in WEEKDAYS]
    assert (trace["y"], trace["x"]) == (list(WEEKDAYS), [f"{hour:02}" for hour in range(24)])


def test_tags__are_counted_by_month(look, project):
    used = project.rows(
        "select tag, count(*) from raw_data.posts cross join unnest(tags) as tag group by tag order by 2 desc, tag "
        'collate "C" limit 12'
    )
    by_month = {
        (tag, month): count
        for tag, month, count in project.rows(
            "select tag, to_char(post_timestamp, 'YYYY-MM'), count(*) from raw_data.posts "
            "cross join unnest(tags) as tag where post_timestamp is not null group by 1, 2"
        )
    }
    tags = [tag for tag, _ in used]
    months = sorted({month for tag, month in by_month if tag in tags})
    [trace] = look.traces("tags-chart")
    assert trace["x"] == months
    assert trace["z"] == [[by_month.get((tag, month), 0) for month in months] for tag in tags]


def test_platforms__are_those_of_the_mart_where_there_are_others_than_the_native_one(look, project):
    rows = project.rows(
        "select platform, total_engagement, total_posts, active_authors, comments, reported_comments, "
        f"{COVERAGE}, {SUM}, total_shares, total_views, engagement_rate_by_views "
        "from marts_personal.platform_mart order by total_engagement desc, platform"
    )
    if len(rows) > 1:
        assert look.table("#platform-totals") == numbers(rows)
    else:
        assert rows[0][0] == "native"
        assert look.ask("document.querySelector('#platform-totals, .platform, nav a[href=\\'#platforms\\']')") is None


def test_top_posts__are_those_of_the_mart(look, project):
    rows = project.rows(
        f"select engagement_rank, total_engagement, {SUM_OF_POST}, total_shares, total_comments, "
        "total_users_interacted, to_char(post_timestamp, 'YYYY-MM-DD'), "
        f"platform, {COVERAGE}, total_views from marts_personal.content_performance_mart "
        'order by total_engagement desc, post_id collate "C" limit 50'
    )
    headings = ["Rank", "Engagement", "Reactions", "Shares", "Comments", "Commenters", "Day"]
    headings += ["Platform", "Coverage, %", "Views"] if "Platform" in look.texts("#top-posts th") else []
    assert columns(look, "#top-posts", *headings) == numbers([row[: len(headings)] for row in rows])


def test_top_users__are_those_of_the_mart(look, project):
    rows = project.rows(
        f"select engagement_rank, total_engagement, total_posts, {SUM}, total_shares, total_comments, comments_made, "
        f"platform, {COVERAGE}, followers "
        'from marts_personal.user_engagement_mart order by total_engagement desc, user_id collate "C" limit 50'
    )
    headings = ["Rank", "Engagement", "Posts", "Reactions", "Shares", "Comments received", "Comments made"]
    headings += ["Platform", "Coverage, %", "Followers"] if "Platform" in look.texts("#top-users th") else []
    assert columns(look, "#top-users", *headings) == numbers([row[: len(headings)] for row in rows])


def test_top_locations__are_those_of_the_mart(look, project):
    rows = project.rows(
        "select sum(total_engagement) as engagement, sum(total_posts), sum(total_users_in_location), "
        f"sum({SUM}), sum(total_shares), sum(total_comments) "
        "from marts_personal.location_analysis_mart where total_posts > 0 "
        'group by location order by engagement desc, location collate "C" limit 50'
    )
    assert [row[1:] for row in look.table("#top-locations")] == numbers(rows)


def test_top_tags__are_those_of_the_mart(look, project):
    rows = project.rows(
        "select sum(total_engagement) as engagement, round(sum(total_engagement) / sum(total_posts_with_tag), 2), "
        f"sum(total_posts_with_tag), sum({SUM}), sum(total_shares), sum(total_comments) "
        'from marts_personal.tag_analysis_mart group by tag order by engagement desc, tag collate "C" limit 50'
    )
    assert [row[1:] for row in look.table("#top-tags")] == numbers(rows)


def test_ledger__is_that_of_the_loaded_batches(look, project):
    rows = project.rows(
        "select entity, measure, sum(read), sum(accepted), sum(rejected), sum(duplicate), sum(skipped) from etl.ledger "
        "where verdict = 'passed' and measure not like 'skipped.%' group by 1, 2"
    )
    found = look.table("#ledger")
    assert sorted(found) == sorted(numbers(rows))
    assert [row[0] for row in found if row[1] == "records"] == ["document", "user", "post", "comment"]


def test_skipped__is_counted_by_reason(look, project):
    rows = project.rows("select substr(measure, 9), entity, skipped from etl.ledger where measure like 'skipped.%'")
    headings = look.texts("#quality ~ h3")
    assert ("Skipped records" in headings) == bool(rows)
    if rows:
        assert look.table("#skipped") == numbers(sorted(rows, key=lambda row: -row[2]))


def test_rejections_and_issues__are_counted_by_rule(look, project):
    rejected = project.rows("select rule, entity, count(*) from raw_data.rejected, unnest(rules) as rule group by 1, 2")
    issues = project.rows("select rule, entity, field, count(*) from raw_data.issues group by 1, 2, 3")
    assert sorted(look.table("#rejections") if rejected else []) == sorted(numbers(rejected))
    assert sorted(look.table("#issues")) == sorted(numbers(issues))


def test_runs__are_the_last_with_the_seconds_of_their_stages(look, project):
    last = [run for (run,) in project.rows("select run_id from etl.runs order by started_at desc limit 20")]
    seconds = {
        (run, stage): pytest.approx(float(total), abs=0.011)
        for run, stage, total in project.rows(
            "select run_id, split_part(stage, ' ', 1), sum(seconds) from etl.stages "
            "where run_id = any(%s) group by 1, 2",
            last,
        )
    }
    traces = look.traces("runs-chart")
    assert traces[0]["x"] == last[::-1]
    found = {
        (run, trace["name"]): value
        for trace in traces
        for run, value in zip(trace["x"], trace["y"], strict=True)
        if (run, trace["name"]) in seconds or value
    }
    assert found == seconds


def test_remarks__are_the_last(look, project):
    rows = project.rows(
        "select to_char(started_at, 'YYYY-MM-DD HH24:MI'), kind, remark from etl.remarks join etl.runs using (run_id) "
        "order by started_at desc limit 50"
    )
    assert (look.table("#remarks") if rows else []) == numbers(rows)


@pytest.mark.parametrize("chart", CHARTS)
def test_chart__is_there_as_a_table_too(look, chart):
    look.page.locator(f"details[data-table-of={chart}] summary").click()
    look.page.wait_for_selector(f"details[data-table-of={chart}] table")
    rows = look.table(f"details[data-table-of={chart}] table")
    traces = look.traces(chart)
    values = [
        value
        for trace in traces
        for value in (trace["z"] or [trace["x"] if chart == "reactions-chart" else trace["y"]])
    ]
    told = Counter(f"{value:,.3f}".rstrip("0").rstrip(".") for line in values for value in line if value)
    assert rows
    cells = Counter(cell for row in rows for cell in row[1:] if cell != "0")
    assert told <= cells, told - cells


def test_texts__are_shown_and_do_nothing(look, project):
    assert look.ask(
        "[typeof window.hacked, document.querySelectorAll('main img, main a, .js-plotly-plot a').length]"
    ) == [
        "undefined",
        0,
    ]
    shown = look.texts("#top-tags .tag") + look.texts("#top-users .username")
    if project.rows("select count(*) from marts_personal.content_performance_mart") == [(len(NASTY),)]:
        for text in NASTY[:-1]:
            assert " ".join(text.split()) in shown
        assert "��[31m!" in shown
        assert look.texts("#top-posts .post_text bdi")[0].endswith("x…")
        assert {len(text) for text in look.texts("#top-posts .post_text bdi")} == {160}
        assert look.texts(".warning bdi") == ["<img src=x onerror=hacked=1>"]
        labels = look.texts("#tags-chart .ytick text")
        assert "</script><script>…" in labels
        assert '<a href="javascri…' in labels


def test_texts__are_shown_as_they_are_when_a_chart_is_pointed_at(look):
    box = look.page.locator("#tags-chart .heatmaplayer").bounding_box()
    look.page.locator("#tags-chart").scroll_into_view_if_needed()
    box = look.page.locator("#tags-chart .nsewdrag").bounding_box()
    assert box
    for step in range(1, 24):
        look.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * step / 24)
    assert look.ask("document.querySelectorAll('.hoverlayer a, .hoverlayer img').length") == 0
    assert (look.wrong, look.requests) == ([], [])


def test_table__is_sorted_by_a_heading_and_filtered(look):
    before = look.table("#top-users")
    button = look.page.get_by_role("button", name="Comments made")
    button.focus()
    look.page.keyboard.press("Enter")
    [heading] = [name for name in look.texts("#top-users th") if name.startswith("Comments made")]
    found = [int(cell.replace(",", "")) for [cell] in columns(look, "#top-users", heading)]
    assert found == sorted(found, reverse=True)
    assert button.locator("xpath=..").get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert [int(cell.replace(",", "")) for [cell] in columns(look, "#top-users", heading)] == sorted(found)
    coverage = look.page.locator("#top-users th button", has_text="Coverage")
    for is_ascending in (False, True) if coverage.count() else ():
        coverage.click()
        found = [cell.replace("–", "-1") for [cell] in columns(look, "#top-users", "Coverage, %")]
        assert found == sorted(found, key=float, reverse=not is_ascending)
        assert "-1" in found and len(set(found)) > 1
    if len(before) > 10:
        wanted = before[3][2]
        look.page.locator("[data-filters=top-users]").fill(wanted)
        shown = look.page.locator("#top-users tbody tr:visible").all_text_contents()
        assert 0 < len(shown) < len(before)
        assert all(wanted in row for row in shown)


@pytest.mark.parametrize("which", ["nasty", "big", "empty"])
def test_page__fits_a_phone(browser, which, request):
    phone = Look(browser, report(request.getfixturevalue(which)), viewport=PHONE, is_mobile=True, has_touch=True)
    assert phone.ask("[document.documentElement.scrollWidth, window.innerWidth]") == [PHONE["width"]] * 2
    too_wide = phone.ask(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg') && "
        f"e.getBoundingClientRect().right > {PHONE['width']}).map(e => e.outerHTML.slice(0, 80))"
    )
    assert too_wide == []
    assert (phone.wrong, phone.requests) == ([], [])
    phone.page.close()


CONTRASTS = """
() => {
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => {
    const [r, g, b] = colour.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(colour) && colour !== 'transparent') return rgb(colour);
    }
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const texts = [...document.querySelectorAll('h1, h2, h3, p, dt, dd, th, td, a, summary, figcaption')];
  const drawn = [...document.querySelectorAll('.js-plotly-plot .xtick text, .js-plotly-plot .ytick text')];
  return Math.min(
    ...texts.map(e => contrast(rgb(getComputedStyle(e).color), behind(e))),
    ...drawn.map(e => contrast(rgb(getComputedStyle(e).fill), behind(e))));
}
"""


def test_colours__follow_the_scheme_at_once_and_can_be_read(look):
    papers = []
    for scheme in ("light", "dark", "light"):
        look.page.emulate_media(color_scheme=scheme)
        papers.append(look.ask("getComputedStyle(document.body).backgroundColor"))
        assert look.ask(CONTRASTS) >= 4.5
        ink, drawn = look.ask(
            "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.xtick text')).fill]"
        )
        assert ink == drawn
    assert papers == ["rgb(255, 255, 255)", "rgb(20, 25, 31)", "rgb(255, 255, 255)"]


def test_print__is_dark_on_white_and_no_wider_than_paper(look):
    look.page.emulate_media(color_scheme="dark", media="print")
    look.ask("dispatchEvent(new Event('beforeprint')) && null")
    assert look.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert look.ask(CONTRASTS) >= 4.5
    assert (
        look.ask("Math.max(...[...document.querySelectorAll('.main-svg')].map(e => e.getBoundingClientRect().width))")
        <= 940
    )
    look.ask("dispatchEvent(new Event('afterprint')) && null")
    look.page.emulate_media(color_scheme="light", media="screen")
    assert look.page.viewport_size == DESK


def test_page__can_be_found_around_in_without_seeing_it(look):
    levels = [int(tag[1]) for tag in look.ask("[...document.querySelectorAll('h1, h2, h3')].map(e => e.tagName)")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert look.ask("[...document.querySelectorAll('main > section table[id]')].every(e => e.caption.textContent)")
    for chart in CHARTS:
        assert look.page.locator(f"#{chart}[role=img]").get_attribute("aria-labelledby") == f"{chart}-title"
    assert look.ask(
        "[...document.querySelectorAll('nav a')].every(e => document.querySelector(e.getAttribute('href')))"
    )


def test_empty_warehouse__says_what_is_not_there_yet(browser, empty):
    shown = Look(browser, report(empty))
    assert shown.ask("document.querySelectorAll('.js-plotly-plot, main table').length") == 0
    assert set(shown.texts("dd")) == {"0", "–"}
    assert "No activity yet." in shown.texts("header p")[0]
    assert [text.strip() for text in shown.texts(".nothing")] == [
        "No posts or comments yet.",
        "No reactions yet.",
        "No posts with a time yet.",
        "No comments with a time yet.",
        "No posts yet.",
        "No users yet.",
        "No posts yet, and so no locations.",
        "No tags yet.",
        "No posts with a tag and a time yet.",
        "No batches yet.",
        "No record was rejected.",
        "No field had to be corrected.",
        "No runs yet.",
        "Nothing unusual was noted.",
    ]
    assert (shown.wrong, shown.requests) == ([], [])
