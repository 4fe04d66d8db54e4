"""Whatever others do to the warehouse, the next run puts it right or names it; it never says that all is up to date."""

from collections.abc import Iterator

import pytest
from damages import DAMAGES, DamagedProject, choose
from project import projects

TRIALS = 3
DAMAGES_A_TRIAL = 4


@pytest.fixture(scope="module")
def damaged() -> Iterator[DamagedProject]:
    with projects() as make_project:
        yield DamagedProject(make_project())


@pytest.mark.parametrize("trial", range(TRIALS))
def test_run__puts_right_or_names_whatever_was_damaged(damaged, trial):
    damaged.reset()
    damages = choose(DAMAGES_A_TRIAL, seed=trial)
    damaged.damage(damages, seed=trial)
    damaged.judge(damages, with_later_batch=trial % 2 == 1)


def test_run__names_each_damage_that_it_cannot_put_right(damaged):
    for damage in (damage for damage in DAMAGES if damage.is_named):
        damaged.reset()
        damaged.damage([damage], seed=1)
        assert (damage.name, damaged.judge([damage], with_later_batch=False)) == (damage.name, "named")
