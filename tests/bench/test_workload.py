"""The landing files of the benchmarks."""

import json
from dataclasses import asdict

import pytest

from bench import sample
from bench.totals import Totals
from bench.workload import Workload, correct_documents, name_batch, split_documents


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def workload(tmp_path, notes) -> Workload:
    return Workload(tmp_path, 30, notes.append)


def read(export) -> dict[str, list]:
    return {name: json.loads(path.read_bytes()) for name, path in export.files.items()}


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [
        (7, 3, [[0, 1], [2, 3], [4, 5, 6]]),
        (3, 3, [[0], [1], [2]]),
        (2, 3, [[], [0], [1]]),
        (4, 1, [[0, 1, 2, 3]]),
    ],
)
def test_split_documents__splits_in_order_and_loses_none(total, count, expected):
    assert [list(batch) for batch in split_documents(iter(range(total)), total, count)] == expected


def test_make_batches__holds_the_users_of_the_reference(workload):
    whole, parts = workload.make_reference(), workload.make_batches(4)
    [documents] = read(whole).values()
    assert documents == list(sample.generate_documents(30, seed=1))
    assert list(parts.files) == ["2023-01-01.json", "2023-01-02.json", "2023-01-03.json", "2023-01-04.json"]
    assert [document for batch in read(parts).values() for document in batch] == documents
    assert parts.totals == whole.totals


def test_make_new_batch__has_other_users_and_lands_after_the_others(workload):
    [(name, documents)] = read(workload.make_new_batch(10, after=5)).items()
    [known] = read(workload.make_reference()).values()
    assert len(documents) == 3
    assert name == f"{name_batch(5)}.json" > f"{name_batch(4)}.json"
    assert {each["user_id"] for each in documents}.isdisjoint(each["user_id"] for each in known)


def test_make_corrected_batch__replaces_the_new_batch_and_differs_in_some_values(workload):
    new, again = workload.make_new_batch(1), workload.make_corrected_batch(1)
    assert new.files.keys() == again.files.keys()
    assert again.totals.shares > new.totals.shares
    assert asdict(again.totals) | {"shares": 0} == asdict(new.totals) | {"shares": 0}
    [before], [after] = read(new).values(), read(again).values()
    assert [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [0, 20]


def test_correct_documents__leaves_the_documents_it_is_given():
    document = {"name": "Ann", "posts": [{"shares": 2}]}
    assert list(correct_documents([document])) == [{"name": "Ann again", "posts": [{"shares": 3}]}]
    assert document == {"name": "Ann", "posts": [{"shares": 2}]}


def test_files__are_made_once(workload, notes, tmp_path):
    made = workload.make_reference()
    again = Workload(tmp_path, 30, notes.append).make_reference()
    assert again == made
    assert notes == ["making in-1"]


def test_files__are_made_again_when_their_makers_have_changed(workload, notes, tmp_path):
    workload.make_reference()
    (tmp_path / "30-users" / "made_by").write_text("an older version")
    Workload(tmp_path, 30, notes.append).make_reference()
    assert notes == ["making in-1", "making in-1"]


def test_totals__of_documents():
    totals = Totals()
    posts = [
        {
            "location": None,
            "timestamp": "2022-01-01 10:00:00",
            "shares": 2,
            "tags": ["art", "tech"],
            "reactions": {"like": 3, "sad": 1},
            "comments": [{"timestamp": "2022-01-02 00:00:00"}, {"timestamp": "2022-01-01 23:59:59"}],
        },
        {"location": "Sydney", "timestamp": "2022-01-01 11:00:00", "shares": 1, "tags": ["art"], "comments": []},
    ]
    totals.add_document({"posts": posts})
    totals.add_document({"posts": []})
    assert totals.compute_expected() == {
        "core.fact_post_interactions": 2,
        "core.fact_comments": 2,
        "marts.user_engagement_mart": 2,
        "marts.content_performance_mart": 2,
        "marts.tag_analysis_mart": 2,
        "marts.location_analysis_mart": 2,
        "marts.daily_engagement_mart": 2,
        "total_posts": 2,
        "total_comments": 2,
        "total_likes": 3,
        "total_shares": 3,
        "total_engagement": 9,
    }
    assert Totals.from_dict(json.loads(json.dumps(totals.to_dict()))) == totals


def test_totals__always_have_the_unknown_location():
    assert Totals(locations={"Sydney"}).compute_expected()["marts.location_analysis_mart"] == 2


def test_totals__of_two_sets_of_documents():
    first = Totals(users=1, posts=2, tags={"art", "tech"}, days={"2022-01-01"})
    second = Totals(users=4, shares=3, tags={"art"}, days={"2022-01-02"})
    assert first | second == Totals(users=5, posts=2, shares=3, tags={"art", "tech"}, days={"2022-01-01", "2022-01-02"})
