"""Writes sample exports in the form of the reference data set; the same seed gives the same file.

    python -m bench.sample --users 65000 --out data/landing/social_media_info.json
    python -m bench.sample --small data/sample

writes one pretty-printed array (indent 4) of user documents: 0-10 posts per user, 0-5 comments per post, 0-3 of ten
tags, locations that are often null, reactions that are often partial or missing, commenters who are mostly not among
the users, and comments that can be older than their post.
"""

import argparse
import gzip
import json
import random
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

FIRST_NAMES = (
    "Amanda Brian Courtney Daniel Elena Farid Grace Hiro Ingrid Jamal Katya Liam Maria Noah Olga Pedro "
    "Quinn Rosa Samuel Tara Umar Vera Wei Ximena Yusuf Zoe"
).split()
LAST_NAMES = (
    "Adams Baker Chen Diaz Evans Fischer Garcia Hughes Ivanov Jones Kim Lopez Müller Nguyen Okafor Patel "
    "Quist Rossi Smith Tanaka Usman Vargas Wang Young Zhou"
).split()
LOCATIONS = ("Sydney|New York|São Paulo|London|Tokyo|Lagos|Paris|Mexico City|Mumbai|Berlin|Toronto|Cairo").split("|")
TAGS = "art tech music food travel sports fashion science health nature".split()
REACTIONS = ("like", "love", "wow", "haha", "sad", "angry")
WORDS = (
    "able about across agree almost always among another answer anyone area arrive ask author away because "
    "become before begin behind believe best better between beyond bring build business call care carry "
    "case catch cause center change choice city claim class clear close collection color come common "
    "community compare concern consider contain continue could country course create culture current day "
    "debate decide deep describe design detail develop difference direction discover discuss early "
    "economy education effect energy enjoy enough evening event ever everyone evidence example exist "
    "expect experience explain eye face family fast feel field figure final find first focus follow"
).split()

FIRST_MOMENT = datetime(2014, 1, 1)
SECONDS_COVERED = 10 * 365 * 24 * 3600


def generate_documents(users: int, seed: int) -> Iterator[dict]:
    """Yield documents, each a user with their posts and comments."""
    rng = random.Random(seed)
    known_ids: list[str] = []
    for number in range(users):
        user_id = _make_uuid(rng)
        known_ids.append(user_id)
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        username = f"{first}{last}{number}".lower()
        document = {
            "user_id": user_id,
            "username": username,
            "email": f"{username}@example.net",
            "name": f"{first} {last}",
            "age": rng.randint(13, 90) if rng.random() < 0.95 else None,
            "gender": rng.choice(("male", "female", "other")),
            "date_created": _make_time(rng),
            "posts": [_make_post(rng, known_ids) for _ in range(rng.randint(0, 10))],
        }
        yield document


def _make_post(rng: random.Random, known_ids: list[str]) -> dict:
    post: dict = {
        "post_id": _make_uuid(rng),
        "post_text": _make_text(rng, 8, 18),
        "location": rng.choice(LOCATIONS) if rng.random() < 0.7 else None,
        "timestamp": _make_time(rng),
        "shares": rng.randint(0, 20),
        "tags": rng.sample(TAGS, rng.randint(0, 3)),
        "comments": [_make_comment(rng, known_ids) for _ in range(rng.randint(0, 5))],
    }
    share_of_reactions = rng.random()
    if share_of_reactions > 0.15:
        names = REACTIONS if share_of_reactions > 0.4 else rng.sample(REACTIONS, rng.randint(1, 5))
        post["reactions"] = {name: rng.randint(0, 12) for name in names}
    return post


def _make_comment(rng: random.Random, known_ids: list[str]) -> dict:
    commenter = rng.choice(known_ids) if rng.random() < 0.05 else _make_uuid(rng)
    return {"user_id": commenter, "comment": _make_text(rng, 3, 9), "timestamp": _make_time(rng)}


def _make_uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _make_time(rng: random.Random) -> str:
    return str(FIRST_MOMENT + timedelta(seconds=rng.randrange(SECONDS_COVERED)))


def _make_text(rng: random.Random, shortest: int, longest: int) -> str:
    words = rng.choices(WORDS, k=rng.randint(shortest, longest))
    return " ".join(words).capitalize() + "."


def format_document(value: object, indent: str = "    ") -> str:
    """Return what json.dumps(value, indent=4) gives for a document inside an array, five times as fast.

    With an indent, json does not use its C encoder.
    """
    inner = indent + "    "
    if isinstance(value, dict) and value:
        fields = (f"{inner}{json.dumps(key)}: {format_document(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(fields) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + format_document(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value)


def write_array(path: Path, documents: Iterator[dict]) -> None:
    """Write documents as one pretty-printed array; the file appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        separator = "[\n    "
        for document in documents:
            file.write(separator + format_document(document))
            separator = ",\n    "
        file.write("\n]\n" if separator.startswith(",") else "[]\n")
    unfinished.replace(path)


FAULTS = r"""
this line is not JSON
["a list is no document"]
{"username": "nobody", "posts": [{"post_id": "lost-1", "shares": 1, "comments": [{"user_id": "u-1", "comment": "x"}]}]}
{"user_id": "u-1", "username": "first version", "age": 30, "posts": [{"post_id": "p-1", "shares": 4}]}
{"user_id": "u-1", "username": " Second Version ", "email": " Ann@Example.NET ", "age": "31", "gender": "Female", "posts": [{"post_id": "p-2", "post_text": "no reactions, no shares"}]}
{"user_id": "u-2", "age": 200, "email": "not an address", "date_created": "yesterday", "posts": [{"post_id": "p-1", "post_text": "the last version of p-1", "shares": -3, "reactions": {"like": 2.5, "love": -1, "wow": 7}, "timestamp": "2023-05-01T12:00:00+02:00", "tags": ["#Art", " art ", "TECH", ""], "location": "  New   York "}]}
{"user_id": "u-3", "age": null, "posts": [{"post_text": "no post_id", "shares": 9}, {"post_id": "p-3", "post_text": "a NUL \u0000 inside", "comments": [{"user_id": "u-1", "comment": "twice", "timestamp": "2023-05-02 08:00:00"}, {"user_id": "u-1", "comment": "twice ", "timestamp": "2023-05-02T08:00:00Z"}, {"timestamp": "2023-05-03 08:00:00"}, 17]}]}
{"user_id": "u-4", "username": "unknown fields", "karma": 7, "posts": [{"post_id": "p-4", "pinned": true, "reactions": {"like": 1, "care": 3}, "comments": "none"}]}
{"user_id": "u-5", "posts": [{"post_id": "p-5", "tags": "art", "reactions": [1, 2]}]}
"""
"""A few records with each fault that a record can have."""


def write_small_sample(folder: Path) -> None:
    """Write the tracked sample: one day's export as an array, and the next day's as two files of lines, with faults."""
    write_array(folder / "2026-11-21.json", generate_documents(100, seed=21))
    day = folder / "2026-11-22"
    day.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(document) + "\n" for document in generate_documents(60, seed=22))
    (day / "part-1.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    (day / "part-2.jsonl").write_text(FAULTS.lstrip(), encoding="utf-8")


def main() -> None:
    """Write the export, or the tracked sample, that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=65_000, help="how many users (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same file (default: %(default)s)")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="the file to write")
    target.add_argument("--small", type=Path, help="the folder to write the tracked sample to")
    arguments = parser.parse_args()
    if arguments.small:
        write_small_sample(arguments.small)
        return
    started = time.monotonic()
    write_array(arguments.out, generate_documents(arguments.users, arguments.seed))
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {arguments.users:,} users, {megabytes:.1f} MB, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
