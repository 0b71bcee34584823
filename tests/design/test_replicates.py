from __future__ import annotations

from superconv_ray.design.replicates import Replicates
from superconv_ray.design.trial import CompleteTrial, Template, Trial
from tests.design.made import the_cell

TEMPLATE = Trial(data_count=100).to(Template, steps=50)


def replicates(
    pattern: Template = TEMPLATE, subset_seed: int | None = None
) -> Replicates[Template]:
    return Replicates(pattern, range(3, 10), subset_seed)


def test_they_are_a_sequence_with_a_trial_for_each_seed() -> None:
    trials = replicates()
    assert [trial.seed for trial in trials] == list(trials.seeds)
    assert [trial.seed for trial in trials[1:3]] == [4, 5]
    assert (len(trials), trials[-1].seed) == (7, 9)


def test_each_is_the_trial_that_its_settings_and_seed_would_give() -> None:
    for subset_seed in (None, 5):
        pattern = TEMPLATE.changed(subset_seed=subset_seed)
        made = replicates(pattern, subset_seed).complete(max_lr=0.3)
        settings = {**pattern.settings(), "max_lr": 0.3}
        assert [trial.id for trial in made] == [
            CompleteTrial(**{**settings, "seed": seed}).id for seed in range(3, 10)
        ]


def test_they_are_equal_if_their_trials_have_equal_ids() -> None:
    made = replicates().complete(max_lr=0.3)
    asked_otherwise = replicates(TEMPLATE.changed(data_fraction=0.1)).complete(max_lr=0.3)
    assert [a.id for a in made] == [b.id for b in asked_otherwise]
    assert made == asked_otherwise
    assert len({made, asked_otherwise}) == 1
    assert made != replicates().complete(max_lr=0.4)
    assert made != replicates(subset_seed=1).complete(max_lr=0.3)
    assert made != made[1:]


def test_a_cell_of_a_million_seeds_holds_one_trial() -> None:
    trainings = the_cell(seeds=1_000_000).trainings
    assert len(trainings) == 1_000_000
    assert trainings.pattern.seed == 0
    assert trainings[123_456].seed == trainings[123_456].subset_seed == 123_456


def test_each_may_have_a_subset_of_its_own() -> None:
    made = Replicates(TEMPLATE.complete(max_lr=0.3), range(30, 33), (7, 8, 9))
    assert [(trial.seed, trial.subset_seed) for trial in made] == [(30, 7), (31, 8), (32, 9)]
    assert list(made[1:]) == list(made)[1:]
    assert made != Replicates(TEMPLATE.complete(max_lr=0.3), range(30, 33), (7, 8, 8))
