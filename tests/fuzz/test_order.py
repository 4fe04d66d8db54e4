"""However records are spread over files and batches, and in whatever order these are loaded: the same comes out."""

import json
import shutil
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import accepted, assert_accounted_for, folder, run

from spark_jobs.extraction import assignments

READ = (
    "select table_schema || '.' || table_name from information_schema.tables "
    "where table_schema in ('core', 'marts_personal')"
)
BUILT = (
    *("raw_data", "etl", "staging", "core", "intermediate", "candidates", "published"),
    *("marts", "marts_personal", "open"),
)

comments = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.sampled_from(["u1", "u2", "stranger"]),
        "comment": st.sampled_from(["a", " a", "b", ""]),
        "timestamp": st.sampled_from(["2026-01-01 00:00:00", "2026-01-01T01:00:00+01:00", "2026-01-02"]),
    },
)
posts = st.fixed_dictionaries(
    {"post_id": st.sampled_from(["p1", "p2", "p3"]), "comments": st.lists(comments, max_size=3)},
    optional={"shares": st.integers(0, 5), "tags": st.lists(st.sampled_from(["#a", "B"]), max_size=2)},
)
documents = st.fixed_dictionaries(
    {"user_id": st.sampled_from(["u1", "u2", "u3"]), "posts": st.lists(posts, max_size=3)},
    optional={"age": st.integers(1, 120), "name": st.sampled_from(["x", "y"])},
)


@given(st.lists(documents, max_size=8), st.data())
def test_files__of_a_batch_may_be_split_anywhere_and_the_last_version_counts(found, data):
    fill_in = data.draw(st.booleans())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(found)), max_size=3)))
    with folder() as place:
        split = [found[start:end] for start, end in pairwise([0, *cuts, len(found)])]
        batches = {"whole": [found], "split": split}
        paths = {
            name: [place / name / f"{number}.json" for number in range(len(parts))] for name, parts in batches.items()
        }
        for name, parts in batches.items():
            (place / name).mkdir()
            for path, part in zip(paths[name], parts, strict=True):
                is_lines = bool(part) and data.draw(st.booleans())  # a file of nothing is no empty batch
                path.write_text("\n".join(map(json.dumps, part)) if is_lines else json.dumps(part))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(assignments, "GROUP_BYTES", data.draw(st.sampled_from([1, 1 << 20])))
            ended = {
                name: run(place / f"built {name}", {"b": files}, fill_in_users=fill_in)["b"]
                for name, files in paths.items()
            }
    for one in ended.values():
        assert_accounted_for(one)
    tables = accepted(ended["split"])
    assert tables == accepted(ended["whole"])
    users: dict[str, tuple[Any, Any]] = {}
    for each in found:
        name, age = users.get(each["user_id"], (None, None)) if fill_in else (None, None)
        users[each["user_id"]] = (each.get("name") or name, each.get("age") or age)
    assert {row["user_id"]: (row["name"], row["age"]) for row in tables["users"]} == users
    posts = {post["post_id"]: (each["user_id"], post.get("shares", 0)) for each in found for post in each["posts"]}
    assert {row["post_id"]: (row["user_id"], row["shares"]) for row in tables["posts"]} == posts


def document(user: str, version: int, *post_ids: str) -> dict[str, Any]:
    def post(number: int, post_id: str) -> dict[str, Any]:
        return {
            "post_id": post_id,
            "post_text": f"{post_id} as of {version}",
            "location": [None, "Oslo", f"place {version}"][number % 3],
            "timestamp": f"2026-01-0{version} 00:00:00",
            "tags": ["art", f"#tag {version}"],
            "reactions": {"like": version, "love": number},
            "comments": [
                {"user_id": commenter, "comment": f"{commenter} on {post_id}", "timestamp": "2026-02-01"}
                for commenter in ("ann", f"commenter {version}")
            ],
        }

    posts = [post(*each) for each in enumerate(post_ids)]
    return {"user_id": user, "username": f"{user} as of {version}", "posts": posts}


LANDED = {
    "2026-01-01": [document("ann", 1, "p1", "p2"), document("ben", 1, "p3", "p4")],
    "2026-01-02": [document("ben", 2, "p3", "p1", "p5"), document("cyd", 2)],
    "2026-01-03": [document("ann", 3, "p3"), document("dot", 3, "p6", "p2")],
}


def checksums(project: Any) -> dict[str, tuple[str, int]]:
    """Of every table of core and every mart: the checksum of its rows as text, in order, and their number."""
    names = [name for (name,) in project.rows(f"{READ} order by 1")]
    return {
        name: project.rows(
            f"""select md5(string_agg(one::text, e'\\n' order by one::text collate "C")), count(*) from {name} as one"""
        )[0]
        for name in names
    }


@pytest.mark.slow
def test_marts__are_the_same_bytes_in_any_order_all_at_once_and_rebuilt_from_nothing(make_project):
    project = make_project()
    for batch in ("2026-01-03", "2026-01-01", "2026-01-02"):
        project.land(f"{batch}.json", LANDED[batch])
        ran = project.run()
        assert ran.code == 0, ran.output
    one_by_one = checksums(project)
    assert len(one_by_one) == 14
    assert all(rows for _, rows in one_by_one.values())
    for schema in BUILT:
        project.rows(f"drop schema if exists {schema} cascade")
    shutil.rmtree(project.checkpoints)
    ran = project.run()
    assert ran.code == 0, ran.output
    assert checksums(project) == one_by_one
