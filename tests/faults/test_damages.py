"""Each kind of damage by hand, alone and in pairs, before a run with a new batch or without."""

from collections.abc import Iterator

import pytest
from damages import DAMAGES, DamagedProject, choose
from project import projects

PAIRS = 15


@pytest.fixture(scope="module")
def damaged() -> Iterator[DamagedProject]:
    with projects() as make_project:
        yield DamagedProject(make_project())


@pytest.mark.parametrize("number", range(len(DAMAGES)), ids=lambda number: DAMAGES[number].name)
def test_damage__is_put_right_or_named(damaged: DamagedProject, number: int):
    damage = DAMAGES[number]
    damaged.reset()
    damaged.damage([damage], seed=number)
    outcome = damaged.judge([damage], with_later_batch=number % 2 == 1)
    assert outcome == ("named" if damage.is_named else "put right")


@pytest.mark.parametrize("seed", range(100, 100 + PAIRS))
def test_damages__of_two_kinds_are_put_right_or_named(damaged: DamagedProject, seed: int):
    damages = choose(2, seed)
    damaged.reset()
    damaged.damage(damages, seed)
    damaged.judge(damages, with_later_batch=seed % 2 == 1)
