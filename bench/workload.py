"""The landing files that are measured with, made on first use from bench.sample and kept for the next time."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench import sample
from bench.totals import Totals

SEED = 1
SEED_OF_THE_NEW = 2
ONE_USER_IN = 20
"""How many of the users of a corrected batch have changed: one in so many."""

Documents = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Export:
    """Landing files, each a batch, by the names under which they land; and the totals of them all."""

    files: dict[str, Path]
    totals: Totals


class Workload:
    """All landing files for one number of users.

    `folder` is where they are kept; it is emptied when the code that makes them has changed.
    """

    def __init__(self, folder: Path, users: int, note: Callable[[str], None]) -> None:
        self.folder, self.users, self._note = folder / f"{users}-users", users, note
        stamp, made_by = self.folder / "made_by", _fingerprint_of_the_makers()
        if not stamp.exists() or stamp.read_text(encoding="ascii") != made_by:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            stamp.write_text(made_by, encoding="ascii")

    def reference(self) -> Export:
        """All users in one array."""
        return self.in_batches(1)

    def in_batches(self, count: int) -> Export:
        """All users in so many daily batches."""
        documents = sample.user_documents(self.users, SEED)
        return self._export(f"in-{count}", in_batches(documents, self.users, count))

    def tenfold(self) -> Export:
        """Ten times the users in one array."""
        return self._export("tenfold", [sample.user_documents(10 * self.users, SEED)])

    def one_more(self, share: int, after: int = 1) -> Export:
        """One batch more than `after`, of new users, a `share`th of the reference's."""
        return self._export(f"one-more-{share}", [self._new_users(share)], after)

    def corrected(self, share: int) -> Export:
        """The same batch as `one_more(share)`, with some values changed."""
        return self._export(f"one-more-{share}-corrected", [corrected(self._new_users(share))], 1)

    def _new_users(self, share: int) -> Documents:
        return sample.user_documents(max(self.users // share, 1), SEED_OF_THE_NEW)

    def _export(self, name: str, batches: Iterable[Documents], first: int = 0) -> Export:
        """The files of some batches, the first named by the day `first`. Their totals are written last."""
        place, totals_file = self.folder / name, self.folder / f"{name}.totals.json"
        if not totals_file.exists():
            self._note(f"making {name}")
            totals = Totals()
            for number, documents in enumerate(batches):
                sample.write_array(place / f"{number:04}.json", totals.counted(documents))
            totals_file.write_text(json.dumps(totals.as_json()), encoding="utf-8")
        found = enumerate(sorted(place.glob("*.json")), first)
        totals = Totals.from_json(json.loads(totals_file.read_text(encoding="utf-8")))
        return Export({f"{day(number)}.json": path for number, path in found}, totals)


def in_batches(documents: Documents, total: int, count: int) -> Iterator[Documents]:
    """Split `total` documents, in their order, into `count` batches of nearly equal size, each to be read in turn."""
    rest = iter(documents)
    for number in range(count):
        yield islice(rest, total * (number + 1) // count - total * number // count)


def corrected(documents: Documents) -> Iterator[dict[str, Any]]:
    """The documents with the name and the shares of one user in ONE_USER_IN changed."""
    for number, document in enumerate(documents):
        if number % ONE_USER_IN == 0:
            posts = [{**post, "shares": post["shares"] + 1} for post in document["posts"]]
            document = {**document, "name": f"{document['name']} again", "posts": posts}
        yield document


def day(number: int) -> str:
    """The name of a batch: names sort in the order of their numbers."""
    return str(date(2023, 1, 1) + timedelta(days=number))


def _fingerprint_of_the_makers() -> str:
    return hashlib.sha256(Path(sample.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()
