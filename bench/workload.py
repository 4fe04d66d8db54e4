"""The landing files of the benchmarks, made with bench.sample on first use and kept for the next time."""

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
SEED_OF_NEW_USERS = 2
CHANGED_USERS = 20
"""One in this many users of a corrected batch has changed."""

Documents = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Export:
    """Landing files, each a batch, by the names under which they land; and the totals of them all."""

    files: dict[str, Path]
    totals: Totals


class Workload:
    """All landing files for one number of users, in a folder that is emptied when the code that makes them changes."""

    def __init__(self, folder: Path, users: int, print_note: Callable[[str], None]) -> None:
        self.folder = folder / f"{users}-users"
        self.users = users
        self._print_note = print_note
        stamp = self.folder / "made_by"
        made_by = _fingerprint_code()
        if not stamp.exists() or stamp.read_text(encoding="ascii") != made_by:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            stamp.write_text(made_by, encoding="ascii")

    def make_reference(self) -> Export:
        """Return all users in one array."""
        return self.make_batches(1)

    def make_batches(self, count: int) -> Export:
        """Return all users in a number of daily batches."""
        documents = sample.generate_documents(self.users, SEED)
        return self._make_export(f"in-{count}", split_documents(documents, self.users, count))

    def make_tenfold(self) -> Export:
        """Return ten times the users in one array."""
        return self._make_export("tenfold", [sample.generate_documents(10 * self.users, SEED)])

    def make_new_batch(self, fraction: int, after: int = 1) -> Export:
        """Return one batch of new users that lands after `after` others, with 1/`fraction` of the reference's users."""
        return self._make_export(f"one-more-{fraction}", [self._generate_new_users(fraction)], after)

    def make_corrected_batch(self, fraction: int) -> Export:
        """Return the batch of make_new_batch(fraction) with some values changed."""
        documents = correct_documents(self._generate_new_users(fraction))
        return self._make_export(f"one-more-{fraction}-corrected", [documents], 1)

    def _generate_new_users(self, fraction: int) -> Documents:
        return sample.generate_documents(max(self.users // fraction, 1), SEED_OF_NEW_USERS)

    def _make_export(self, name: str, batches: Iterable[Documents], first: int = 0) -> Export:
        """Write the files of batches, unless they are there, and return them; the first lands on the day `first`.

        The file of totals is written last: it says that the others are complete.
        """
        place = self.folder / name
        totals_file = self.folder / f"{name}.totals.json"
        if not totals_file.exists():
            self._print_note(f"making {name}")
            totals = Totals()
            for number, documents in enumerate(batches):
                sample.write_array(place / f"{number:04}.json", totals.count_documents(documents))
            totals_file.write_text(json.dumps(totals.to_dict()), encoding="utf-8")
        files = enumerate(sorted(place.glob("*.json")), first)
        totals = Totals.from_dict(json.loads(totals_file.read_text(encoding="utf-8")))
        return Export({f"{name_batch(number)}.json": path for number, path in files}, totals)


def split_documents(documents: Documents, total: int, count: int) -> Iterator[Documents]:
    """Split `total` documents, in their order, into `count` batches of nearly equal size, each to be read in turn."""
    rest = iter(documents)
    for number in range(count):
        yield islice(rest, total * (number + 1) // count - total * number // count)


def correct_documents(documents: Documents) -> Iterator[dict[str, Any]]:
    """Yield the documents, with the name and the shares of one user in CHANGED_USERS changed."""
    for number, document in enumerate(documents):
        if number % CHANGED_USERS == 0:
            posts = [{**post, "shares": post["shares"] + 1} for post in document["posts"]]
            document = {**document, "name": f"{document['name']} again", "posts": posts}
        yield document


def name_batch(number: int) -> str:
    """Return the name of a batch, a date: names sort in the order of their numbers."""
    return str(date(2023, 1, 1) + timedelta(days=number))


def _fingerprint_code() -> str:
    return hashlib.sha256(Path(sample.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()
