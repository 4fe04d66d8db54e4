"""Writes sample exports in the shape of the reference data set, the same for the same seed.

    python -m bench.sample --users 65000 --out data/landing/social_media_info.json

leaves one pretty-printed array (indent 4) of user documents: 0-10 posts a user, 0-5 comments a post,
0-3 of about ten tags, locations that are often null, reactions that are often partial or missing,
commenters who are mostly not among the users, and comments that can be older than their post.
"""

import argparse
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
LOCATIONS = (
    "Sydney|New York|São Paulo|London|Tokyo|Lagos|Paris|Mexico City|Mumbai|Berlin|Toronto|Cairo"
).split("|")
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


def user_documents(users: int, seed: int) -> Iterator[dict]:
    """`users` documents, each a user with its posts and their comments."""
    rng = random.Random(seed)
    known_ids: list[str] = []
    for number in range(users):
        user_id = _uuid(rng)
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
            "date_created": _moment(rng),
            "posts": [_post(rng, known_ids) for _ in range(rng.randint(0, 10))],
        }
        yield document


def _post(rng: random.Random, known_ids: list[str]) -> dict:
    post = {
        "post_id": _uuid(rng),
        "post_text": _text(rng, 8, 18),
        "location": rng.choice(LOCATIONS) if rng.random() < 0.7 else None,
        "timestamp": _moment(rng),
        "shares": rng.randint(0, 20),
        "tags": rng.sample(TAGS, rng.randint(0, 3)),
        "comments": [_comment(rng, known_ids) for _ in range(rng.randint(0, 5))],
    }
    share_of_reactions = rng.random()
    if share_of_reactions > 0.15:
        names = REACTIONS if share_of_reactions > 0.4 else rng.sample(REACTIONS, rng.randint(1, 5))
        post["reactions"] = {name: rng.randint(0, 12) for name in names}
    return post


def _comment(rng: random.Random, known_ids: list[str]) -> dict:
    commenter = rng.choice(known_ids) if rng.random() < 0.05 else _uuid(rng)
    return {"user_id": commenter, "comment": _text(rng, 3, 9), "timestamp": _moment(rng)}


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _moment(rng: random.Random) -> str:
    return str(FIRST_MOMENT + timedelta(seconds=rng.randrange(SECONDS_COVERED)))


def _text(rng: random.Random, shortest: int, longest: int) -> str:
    words = rng.choices(WORDS, k=rng.randint(shortest, longest))
    return " ".join(words).capitalize() + "."


def pretty(value: object, indent: str = "    ") -> str:
    """What json.dumps(value, indent=4) gives for a document inside an array, five times as fast:
    with an indent, json leaves its C encoder."""
    inner = indent + "    "
    if isinstance(value, dict) and value:
        fields = (f"{inner}{json.dumps(key)}: {pretty(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(fields) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + pretty(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value)


def write_array(path: Path, documents: Iterator[dict]) -> None:
    """Write the documents as one pretty-printed array; the file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        separator = "[\n    "
        for document in documents:
            file.write(separator + pretty(document))
            separator = ",\n    "
        file.write("\n]\n" if separator.startswith(",") else "[]\n")
    unfinished.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=65_000, help="how many users (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same file (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    started = time.monotonic()
    write_array(arguments.out, user_documents(arguments.users, arguments.seed))
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {arguments.users:,} users, {megabytes:.1f} MB, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
