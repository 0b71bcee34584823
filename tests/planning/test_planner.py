from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superconv_ray.design.budget import iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import Tuning, from_range_test, tuned
from superconv_ray.design.outcome import Outcome, Status
from superconv_ray.design.plan import Plan, range_tests_alone
from superconv_ray.design.seeds import AtLeast, at_least
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import Sweep, grid
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.planning.choice import READ_COLUMN
from superconv_ray.planning.planner import Membership, Planner, Signal
from tests.design.made import range_tests_of

RATES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
GIVEN = Arm(policy="piecewise", max_lr=0.1)
READ = Arm(policy="one_cycle", max_lr=from_range_test())
LIKE_READ = Arm(policy="triangular", max_lr=from_range_test())
"""Needs the same range tests as READ."""


def plan_of(
    arms: dict[str, Arm],
    sweep: Sweep | None = None,
    seeds: int | AtLeast = 2,
    tuning: Tuning | None = None,
    margin: float | None = None,
) -> Plan:
    return make_plan(
        Study(
            name="x",
            base=Trial(dataset="digits", batch_size=4),
            arms=arms,
            sweep=sweep or grid(),
            budget=iterations(40),
            seeds=seeds,
            margin=margin,
            tuning=tuning or Tuning(),
        )
    )


def tent(peak: float, rates: Sequence[float] = RATES) -> list[dict[str, Any]]:
    """Curve of a range test: accuracy falls by as much as the rate is away from the peak."""
    return [{"lr": lr, READ_COLUMN: 1 - abs(lr - peak)} for lr in rates]


def peak_at(peak: float) -> Outcome:
    return Outcome("completed", curve=tent(peak))


DONE = Outcome("completed")
FAILED = Outcome("failed", error="out of memory")


def taken(planner: Planner) -> list[CompleteTrial]:
    """All that is ready."""
    found = []
    while isinstance(trial := planner.next(), CompleteTrial):
        found.append(trial)
    return found


def names(trials: Iterable[CompleteTrial]) -> list[tuple[str, int, Any, int]]:
    """Kind, number of labels, max_lr and seed."""
    return [(trial.kind, trial.data_count or 0, trial.max_lr, trial.seed) for trial in trials]


# By hand


def test_given_trials_come_first_seeds_first() -> None:
    plan = plan_of({"a": GIVEN, "b": READ}, grid(data_fraction=(0.5, 1.0)))
    planner = Planner(plan)
    assert names(taken(planner)) == [
        ("training", 718, 0.1, 0),  # 718.5, to the even one
        ("range_test", 718, 10.0, 2**30 + 0),
        ("training", 1437, 0.1, 0),
        ("range_test", 1437, 10.0, 2**30 + 0),
        ("training", 718, 0.1, 1),
        ("range_test", 718, 10.0, 2**30 + 1),
        ("training", 1437, 0.1, 1),
        ("range_test", 1437, 10.0, 2**30 + 1),
    ]
    assert planner.next() is Signal.WAIT


def test_trainings_become_ready_when_the_last_of_their_range_tests_ends() -> None:
    plan = plan_of({"a": READ})
    planner = Planner(plan)
    first, second = taken(planner)
    planner.tell(second.id, peak_at(0.4))
    assert planner.next() is Signal.WAIT
    planner.tell(first.id, peak_at(0.4))
    trainings = taken(planner)
    assert names(trainings) == [("training", 1437, 0.4, 0), ("training", 1437, 0.4, 1)]
    assert trainings == list(plan.cells[0].trainings_with(max_lr=0.4))
    assert planner.next() is Signal.WAIT
    for trial in trainings:
        planner.tell(trial.id, DONE)
    assert planner.next() is Signal.FINISHED
    assert set(planner.outcomes.values()) == {"completed"}


def test_max_lr_is_read_from_the_mean_of_the_replicates() -> None:
    planner = Planner(plan_of({"a": READ}))
    first, second = taken(planner)
    # Tents at 0.2 and 0.6 make a plateau between them, whose middle is sqrt(0.2 * 0.6).
    planner.tell(first.id, peak_at(0.2))
    planner.tell(second.id, peak_at(0.6))
    assert {trial.max_lr for trial in taken(planner)} == {0.346}


CONFIRMED = Arm(policy="one_cycle", max_lr=from_range_test(confirm=3))


def held_out(accuracy: float, loss: float = 1.0) -> Outcome:
    return Outcome("completed", {"validation_accuracy": accuracy, "validation_loss": loss})


def test_trainings_on_held_out_labels_confirm_what_was_read() -> None:
    planner = Planner(plan_of({"a": CONFIRMED}))
    for test in taken(planner):
        planner.tell(test.id, peak_at(0.3))
    tried = taken(planner)
    assert names(tried) == [
        ("training", 1437, lr, 2**30 + seed) for lr in (0.15, 0.3, 0.6) for seed in (0, 1)
    ]
    assert {(trial.validation_fraction, trial.steps) for trial in tried} == {(0.2, 40)}
    assert planner.left == 6 + 2
    # Means of 0.5, 0.75 and 0.75; the smaller loss decides between the last two.
    outcomes = [
        *(held_out(0.5), held_out(0.5)),
        *(held_out(0.875), held_out(0.625)),
        *(held_out(0.75, 0.9), held_out(0.75)),
    ]
    for trial, outcome in zip(tried, outcomes, strict=True):
        planner.tell(trial.id, outcome)
    trainings = taken(planner)
    assert names(trainings) == [("training", 1437, 0.6, 0), ("training", 1437, 0.6, 1)]
    roles = [(member.role, member.chosen_by) for member in planner.memberships]
    assert roles == [
        *[("range_test", None)] * 2,
        *[("tuning", None)] * 6,
        *[("training", "plateau_middle, confirmed")] * 2,
    ]
    assert {len(member.chosen_from) for member in planner.memberships[-2:]} == {2 + 6}


def test_a_rate_that_diverges_is_not_confirmed() -> None:
    planner = Planner(plan_of({"a": CONFIRMED}, seeds=1))
    (test,) = taken(planner)
    planner.tell(test.id, peak_at(0.3))
    low, middle, high = taken(planner)
    for trial, outcome in (
        (high, Outcome("diverged")),
        (middle, held_out(0.1)),
        (low, held_out(0.2)),
    ):
        planner.tell(trial.id, outcome)
    assert names(taken(planner)) == [("training", 1437, 0.15, 0)]


def test_a_cell_does_not_wait_for_the_range_tests_of_another() -> None:
    plan = plan_of({"a": READ}, grid(data_fraction=(0.5, 1.0)))
    planner = Planner(plan)
    running = taken(planner)
    for trial in running:
        if trial.data_count == 718:
            planner.tell(trial.id, peak_at(0.4))
    assert names(taken(planner)) == [("training", 718, 0.4, 0), ("training", 718, 0.4, 1)]
    assert planner.next() is Signal.WAIT


def test_trainings_that_become_ready_run_before_trials_that_wait() -> None:
    plan = plan_of({"a": READ, "b": GIVEN}, seeds=1)
    planner = Planner(plan)
    test = planner.next()
    assert isinstance(test, CompleteTrial)
    planner.tell(test.id, peak_at(0.4))
    assert [trial.policy for trial in taken(planner)] == ["one_cycle", "piecewise"]


def test_memberships_say_what_was_chosen_and_from_what() -> None:
    plan = plan_of({"a": READ, "b": GIVEN}, seeds=1)
    planner = Planner(plan)
    test = range_tests_of(plan.cells[0])[0]
    given_lr = plan.cells[1].trainings[0]
    before = {
        Membership(test.id, "a", 0, 1.0, "range_test"),
        Membership(given_lr.id, "b", 1, 1.0, "training"),
    }
    assert set(planner.memberships) == before
    taken(planner)
    planner.tell(test.id, peak_at(0.4))
    (read,) = plan.cells[0].trainings_with(max_lr=0.4)
    unlocked = Membership(
        *(read.id, "a", 0, 1.0),
        role="training",
        chosen=("max_lr",),
        chosen_by="plateau_middle",
        chosen_from=(test.id,),
    )
    assert set(planner.memberships) == {*before, unlocked}


def test_trials_that_cells_share_are_given_out_once_and_belong_to_each() -> None:
    arms = {"a": READ, "b": LIKE_READ, "c": GIVEN}
    plan = plan_of(arms, grid(tail=("step", "linear")), seeds=1)
    planner = Planner(plan)
    test, given_lr = taken(planner)
    assert (test.kind, given_lr.policy) == ("range_test", "piecewise")
    # known so far: these two, and a training of a and b at each of the points
    assert planner.total == 6
    planner.tell(test.id, peak_at(0.4))
    trainings = taken(planner)
    assert sorted((t.policy, t.tail or "") for t in trainings) == [
        ("one_cycle", "linear"),
        ("one_cycle", "step"),
        ("triangular", ""),
    ]
    assert planner.total == 5
    parts = [(member.arm, member.cell, member.role) for member in planner.memberships]
    assert sorted(parts) == [
        *(("a", 0, "range_test"), ("a", 0, "training")),
        *(("a", 3, "range_test"), ("a", 3, "training")),
        *(("b", 1, "range_test"), ("b", 1, "training")),
        *(("b", 4, "range_test"), ("b", 4, "training")),
        *(("c", 2, "training"), ("c", 5, "training")),
    ]


def test_a_chosen_training_may_equal_a_given_one() -> None:
    arms = {"a": READ, "b": Arm(policy="one_cycle", max_lr=0.4)}
    planner = Planner(plan_of(arms, seeds=1))
    test, given_lr = taken(planner)
    planner.tell(given_lr.id, DONE)
    assert planner.total == 3
    planner.tell(test.id, peak_at(0.4))
    assert planner.next() is Signal.FINISHED
    assert planner.total == len(planner.outcomes) == 2
    training = Membership(given_lr.id, "b", 1, 1.0, "training")
    assert planner.memberships[-1] == training
    assert [(m.trial_id, m.role) for m in planner.memberships if m.arm == "a"] == [
        (test.id, "range_test"),
        (given_lr.id, "training"),
    ]


# Failed and diverged


def test_a_failed_range_test_blocks_its_cell_alone() -> None:
    plan = plan_of({"a": READ, "b": GIVEN}, grid(data_fraction=(0.5, 1.0)))
    planner = Planner(plan)
    for trial in taken(planner):
        failed = trial == range_tests_of(plan.cells[0])[1]
        planner.tell(trial.id, FAILED if failed else peak_at(0.4))
    assert planner.blocked == [
        (plan.cells[0], "a range test of this cell failed; the next run tries it again")
    ]
    rest = taken(planner)
    assert rest == list(plan.cells[2].trainings_with(max_lr=0.4))
    for trial in rest:
        planner.tell(trial.id, DONE)
    assert planner.next() is Signal.FINISHED
    assert planner.left == 0
    assert planner.outcomes[range_tests_of(plan.cells[0])[1].id] == "failed"


def test_a_failed_training_blocks_nothing() -> None:
    planner = Planner(plan_of({"a": GIVEN}))
    first, second = taken(planner)
    planner.tell(first.id, FAILED)
    planner.tell(second.id, DONE)
    assert planner.outcomes == {first.id: "failed", second.id: "completed"}
    assert planner.blocked == []
    assert planner.next() is Signal.FINISHED


def test_a_diverged_range_test_blocks_nothing_and_its_rates_are_avoided() -> None:
    planner = Planner(plan_of({"a": READ}))
    first, second = taken(planner)
    planner.tell(first.id, peak_at(0.8))
    # Lost from 0.6 on, where the first one is still rising.
    planner.tell(second.id, Outcome("diverged", curve=tent(0.8, RATES[:6])))
    assert {trial.max_lr for trial in taken(planner)} == {0.4}  # two thirds of 0.6
    assert planner.blocked == []


def test_divergence_between_the_points_of_a_curve_does_not_block_a_cell() -> None:
    # The last row of a diverged run is measured where that was noticed: at a rate of its own.
    planner = Planner(plan_of({"a": READ}, seeds=3))
    first, second, third = taken(planner)
    planner.tell(first.id, peak_at(0.4))
    planner.tell(second.id, Outcome("diverged", curve=tent(0.4, [*RATES[:7], 0.74])))
    planner.tell(third.id, Outcome("diverged", curve=tent(0.4, [*RATES[:8], 0.83])))
    assert planner.blocked == []
    assert {trial.max_lr for trial in taken(planner)} == {0.4}


def test_range_tests_that_diverge_at_once_block_their_cell_with_a_reason() -> None:
    plan = plan_of({"a": READ}, seeds=1)
    planner = Planner(plan)
    (test,) = taken(planner)
    planner.tell(test.id, Outcome("diverged", curve=tent(0.4, RATES[:1])))
    ((cell, reason),) = planner.blocked
    assert cell is plan.cells[0]
    assert reason == "a range test must have at least one curve row, got none"
    assert planner.next() is Signal.FINISHED


# Search

SEARCH = Arm(policy="cosine", max_lr=tuned(0.01, 10.0))


def scores(accuracy: float, loss: float, status: Status = "completed") -> Outcome:
    return Outcome(status, {"validation_accuracy": accuracy, "validation_loss": loss})


def scored(trial: CompleteTrial, best: float = 1.0) -> Outcome:
    """Better the nearer max_lr is to the best one, in decades."""
    assert trial.max_lr
    loss = abs(math.log10(trial.max_lr / best))
    return scores(1 - loss / 10, loss)


def test_a_search_tries_all_combinations_and_the_trainings_take_the_best() -> None:
    plan = plan_of({"a": SEARCH}, tuning=Tuning(trials=7, replicates=2, per_seed=False))
    planner = Planner(plan)
    assert (planner.left, planner.total) == (7 * 2 + 2, 16)
    trials = taken(planner)
    assert planner.next() is Signal.WAIT
    assert [trial.seed for trial in trials] == [2**30, 2**30 + 1] * 7
    assert len({trial.max_lr for trial in trials}) == 7
    assert {trial.validation_fraction for trial in trials} == {0.2}
    for trial in reversed(trials):
        planner.tell(trial.id, scored(trial))
    trainings = taken(planner)
    (rate,) = {trial.max_lr for trial in trainings}
    assert 0.5 < rate < 2
    assert names(trainings) == [("training", 1437, rate, 0), ("training", 1437, rate, 1)]
    assert {(m.role, m.chosen, len(m.chosen_from)) for m in planner.memberships} == {
        ("tuning", (), 0),
        ("training", ("max_lr",), 14),
    }


def test_a_search_with_optuna_proposes_rounds_whichever_trial_ends_first() -> None:
    arms = {"a": SEARCH, "b": Arm(policy="linear", max_lr=tuned(0.01, 10.0))}
    tuning = Tuning(trials=7, replicates=2, sampler="tpe", parallel=3)
    tried = []
    for order in (1, -1):
        planner = Planner(plan_of(arms, seeds=1, tuning=tuning))
        assert planner.total == 2 * (7 * 2 + 1)
        rounds = []
        while trials := taken(planner):
            rounds.append({policy: rates(trials, policy) for policy in ("cosine", "linear")})
            for trial in trials[::order]:
                top = 1.0 if trial.policy == "cosine" else 0.02
                planner.tell(trial.id, scored(trial, top))
        assert [len(found["cosine"]) for found in rounds] == [6, 6, 2, 1]
        assert rounds[0]["cosine"] == rounds[0]["linear"]
        assert rounds[2]["cosine"] != rounds[2]["linear"]
        assert rounds[3]["linear"][0] < 0.2 < rounds[3]["cosine"][0]
        tried.append(rounds)
    assert tried[0] == tried[1]


def rates(trials: Iterable[CompleteTrial], policy: str) -> list[float]:
    return [trial.max_lr or 0.0 for trial in trials if trial.policy == policy]


def test_every_seed_has_a_search_of_its_own_and_trains_with_what_that_chose() -> None:
    planner = Planner(plan_of({"a": SEARCH}, tuning=Tuning(trials=3)))
    assert (planner.left, planner.total) == (8, 8)
    trials = taken(planner)
    own = {seed: [t for t in trials if t.subset_seed == seed] for seed in (0, 1)}
    assert [[t.seed for t in own[seed]] for seed in own] == [[2**30] * 3, [2**30 + 1] * 3]
    for trial in own[1]:
        planner.tell(trial.id, scored(trial, best=10.0))
    (second,) = taken(planner)  # does not wait for the other search
    assert second.seed == 1
    for trial in own[0]:
        planner.tell(trial.id, scored(trial, best=0.01))
    (first,) = taken(planner)
    assert first.seed == 0
    assert first.max_lr < 1 < second.max_lr
    chosen_from = {m.trial_id: set(m.chosen_from) for m in planner.memberships if m.chosen}
    assert chosen_from == {
        first.id: {trial.id for trial in own[0]},
        second.id: {trial.id for trial in own[1]},
    }
    assert (planner.left, planner.total) == (2, 8)


def test_a_failed_search_of_one_seed_blocks_that_seed_alone() -> None:
    planner = Planner(plan_of({"a": SEARCH}, tuning=Tuning(trials=2)))
    for trial in taken(planner):
        planner.tell(trial.id, scored(trial) if trial.subset_seed else FAILED)
    assert [training.seed for training in taken(planner)] == [1]
    assert [cell.arm for cell, _ in planner.blocked] == ["a"]
    assert planner.left == 1


def test_a_further_seed_brings_a_search_that_begins_when_the_seed_is_added() -> None:
    arms = {"a": SEARCH, "b": GIVEN}
    seeds, tuning = at_least(2, up_to=3), Tuning(trials=2)
    planner = Planner(plan_of(arms, seeds=seeds, tuning=tuning))
    assert (planner.left, planner.total) == (12, 12)
    stages = list(planner.expected())[-2:]  # of both cells, half of the further seed
    assert [[(s.trial.validation_fraction, s.count) for s in cell] for cell in stages] == [
        [(0.0, 1), (0.2, 1.0), (0.0, 0.5)],
        [(0.0, 0.5)],
    ]
    seen: list[tuple[str, str, int]] = []
    while isinstance(trial := planner.next(), CompleteTrial):
        kind = "search" if trial.validation_fraction else "training"
        seen.append((str(trial.policy), kind, trial.subset_seed))
        accuracy = 0.5 + 0.01 * (-1) ** trial.subset_seed * (trial.policy == "cosine")
        end = (
            scored(trial) if kind == "search" else Outcome("completed", {"test_accuracy": accuracy})
        )
        planner.tell(trial.id, end)
    assert seen[-4:] == [
        *(("cosine", "search", 2), ("cosine", "search", 2)),
        *(("cosine", "training", 2), ("piecewise", "training", 2)),
    ]
    assert {place for *_, place in seen[:-4]} == {0, 1}
    assert (len(seen), planner.left) == (12, 0)


def test_every_search_has_the_same_effort_and_the_same_first_proposals() -> None:
    arms = {"a": SEARCH, "b": Arm(policy="linear", max_lr=tuned(0.01, 10.0))}
    planner = Planner(plan_of(arms, tuning=Tuning(trials=4)))
    rates: dict[str, dict[int, list[float]]] = {"cosine": {}, "linear": {}}
    for trial in taken(planner):
        rates[str(trial.policy)].setdefault(trial.subset_seed, []).append(trial.max_lr)
    assert [len(own) for own in rates["cosine"].values()] == [4, 4]
    assert rates["cosine"] == rates["linear"]
    assert rates["cosine"][0] != rates["cosine"][1]


def test_a_diverged_tuning_trial_is_worst() -> None:
    planner = Planner(plan_of({"a": SEARCH}, seeds=1, tuning=Tuning(trials=6)))
    trials = sorted(taken(planner), key=lambda trial: trial.max_lr)
    for trial in trials:
        end = scores(0.9, 0.1, "diverged") if trial in trials[3:] else scored(trial)
        planner.tell(trial.id, end)
    (training,) = taken(planner)
    assert trials[0].max_lr < training.max_lr <= trials[2].max_lr


def test_a_failed_tuning_trial_blocks_its_cell_alone() -> None:
    plan = plan_of({"a": SEARCH, "b": GIVEN}, seeds=1, tuning=Tuning(trials=2))
    planner = Planner(plan)
    for trial in taken(planner):
        planner.tell(trial.id, FAILED if trial.policy == "cosine" else DONE)
    ((cell, reason),) = planner.blocked
    assert (cell.arm, planner.left) == ("a", 0)
    assert reason == "a tuning trial of this cell failed; the next run tries it again"


# Seeds that are added until it is decided


def adaptive(gap: Callable[[int], float], margin: float | None = None) -> list[int]:
    """Seeds run for both arms, if seed s gives this gap between them."""
    arms = {"a": Arm(policy="cosine", max_lr=0.1), "b": GIVEN}
    planner = Planner(plan_of(arms, seeds=at_least(3, up_to=6), margin=margin))
    assert (planner.left, planner.total) == (12, 12)
    seeds: dict[str, list[int]] = {"cosine": [], "piecewise": []}
    while isinstance(trial := planner.next(), CompleteTrial):
        seeds[str(trial.policy)].append(trial.seed)
        accuracy = 0.5 + (gap(trial.seed) if trial.policy == "cosine" else 0.0)
        planner.tell(trial.id, Outcome("completed", {"test_accuracy": accuracy}))
    assert seeds["cosine"] == seeds["piecewise"]
    assert planner.left == 0
    return seeds["cosine"]


def test_a_clear_gap_needs_no_further_seed() -> None:
    assert adaptive(lambda seed: 0.2 + 0.001 * seed) == [0, 1, 2]
    assert adaptive(lambda seed: -0.2 - 0.001 * seed) == [0, 1, 2]


def test_arms_that_are_equivalent_need_no_further_seed() -> None:
    assert adaptive(lambda seed: 0.0001 * seed) == [0, 1, 2]


def test_arms_are_equivalent_within_the_margin_that_the_study_states() -> None:
    assert adaptive(lambda seed: 0.01 * (-1) ** seed, margin=0.2) == [0, 1, 2]


def test_seeds_are_added_until_the_row_is_decided_or_none_are_left() -> None:
    assert adaptive(lambda seed: 0.01 * (-1) ** seed) == [0, 1, 2, 3, 4, 5]
    # Four looks, each at 98.2 %. With 4 seeds the mean is 0.2375, its standard error 0.0625 and
    # t at 3 degrees 4.8; with 5 they are 0.25, 0.05 and 3.9, and zero is left out.
    assert adaptive(lambda seed: 0.3 if seed else 0.05) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("known", "seeds"), [(False, {0, 1, 2}), (True, {0, 1, 2, 3, 4, 5})])
def test_a_gap_that_other_test_samples_might_turn_is_not_decided(
    known: bool, seeds: set[int]
) -> None:
    """Of 40 samples, the arms are right on about 22 and 12, most of which are not the same."""
    planner = Planner(
        plan_of({"a": Arm(policy="cosine", max_lr=0.1), "b": GIVEN}, seeds=at_least(3, up_to=6))
    )
    seen = set()
    while isinstance(trial := planner.next(), CompleteTrial):
        seen.add(trial.seed)
        ends = (0, 22 + trial.seed % 2) if trial.policy == "cosine" else (20, 32)
        right = (np.arange(40) >= ends[0]) & (np.arange(40) < ends[1])
        bits = {"test_count": 40, "test_correct": np.packbits(right).tobytes()} if known else {}
        planner.tell(trial.id, Outcome("completed", {"test_accuracy": right.mean(), **bits}))
    assert seen == seeds


def test_seeds_are_added_by_the_level_of_the_whole_table() -> None:
    # Means 0.2375 +- 0.0625 and 0.25 +- 0.05: one row would be decided with 5 seeds.
    arms = {"a": Arm(policy="cosine", max_lr=0.1), "b": GIVEN}
    sweep = grid(data_fraction=(0.25, 0.5, 1.0))
    planner = Planner(plan_of(arms, sweep, seeds=at_least(3, up_to=6)))
    seeds = set()
    while isinstance(trial := planner.next(), CompleteTrial):
        seeds.add(trial.seed)
        gap = (0.3 if trial.seed else 0.05) if trial.policy == "cosine" else 0.0
        planner.tell(trial.id, Outcome("completed", {"test_accuracy": 0.5 + gap}))
    assert seeds == {0, 1, 2, 3, 4, 5}


def test_a_failed_training_stops_the_addition_of_seeds() -> None:
    arms = {"a": Arm(policy="cosine", max_lr=0.1), "b": GIVEN}
    planner = Planner(plan_of(arms, seeds=at_least(2, up_to=6)))
    trials = taken(planner)
    assert len(trials) == 4
    for trial in trials[1:]:
        planner.tell(trial.id, Outcome("completed", {"test_accuracy": 0.5}))
    planner.tell(trials[0].id, FAILED)
    assert planner.next() is Signal.FINISHED
    assert planner.left == 0


# Range tests alone


def test_range_tests_alone_are_all_that_runs_even_where_arms_and_points_share_them() -> None:
    sweep = grid(data_fraction=(0.25, 0.5, 1.0)) * grid(tail=("step", "linear"))
    plan = plan_of({"a": READ, "b": LIKE_READ}, sweep, seeds=at_least(2, up_to=4))
    alone = range_tests_alone(plan)
    planner = Planner(alone)
    trials = taken(planner)
    assert names(trials) == [
        ("range_test", count, 10.0, 2**30 + seed) for seed in (0, 1) for count in (359, 718, 1437)
    ]
    for trial in trials:
        planner.tell(trial.id, Outcome("completed", {"validation_accuracy": 0.5 + trial.seed / 9}))
    assert planner.next() is Signal.FINISHED
    assert (planner.left, planner.total) == (0, 6)
    assert [(m.cell, m.arm) for m in planner.memberships] == [
        (cell, "a") for cell in range(3) for _ in range(2)
    ]


# Counts


def test_counts_follow_the_trials() -> None:
    planner = Planner(plan_of({"a": READ, "b": GIVEN}))  # two range tests, two trainings each

    def counts() -> tuple[int, ...]:
        return len(planner.outcomes), planner.left, planner.to_come, planner.total

    assert counts() == (0, 6, 6, 6)
    trials = taken(planner)
    assert counts() == (0, 6, 6, 6)
    for done, trial in enumerate(trials, start=1):
        planner.tell(trial.id, peak_at(0.4))
        assert counts() == (done, 6 - done, 6 - done, 6)
    for done, trial in enumerate(taken(planner), start=5):
        planner.tell(trial.id, DONE)
        assert counts() == (done, 6 - done, 6 - done, 6)
    assert planner.next() is Signal.FINISHED


def test_no_more_trials_are_given_out_than_allowed() -> None:
    planner = Planner(plan_of({"a": READ, "b": GIVEN}), max_trials=3)
    assert (planner.left, planner.to_come, planner.total) == (6, 3, 6)
    trials = taken(planner)
    assert len(trials) == 3
    assert planner.next() is Signal.FINISHED  # though three are running
    assert (planner.left, planner.to_come) == (6, 3)
    planner.tell(trials[0].id, peak_at(0.4))
    assert (planner.left, planner.to_come) == (5, 2)


def test_a_limit_above_the_number_of_trials_has_no_effect() -> None:
    planner = Planner(plan_of({"b": GIVEN}), max_trials=10)
    assert planner.to_come == 2
    assert len(taken(planner)) == 2
    assert planner.next() is Signal.WAIT


def test_with_no_trial_allowed_the_planner_is_finished() -> None:
    planner = Planner(plan_of({"a": READ}), max_trials=0)
    assert planner.next() is Signal.FINISHED
    assert (planner.left, planner.to_come) == (4, 0)


def test_recorded_trials_do_not_count_as_given_out() -> None:
    plan = plan_of({"a": READ})
    recorded = {test.id: peak_at(0.4) for test in range_tests_of(plan.cells[0])}
    planner = Planner(plan, recorded.get, max_trials=1)
    assert (len(planner.outcomes), planner.left, planner.to_come, planner.total) == (2, 2, 1, 4)
    assert len(taken(planner)) == 1


@pytest.mark.parametrize("which", ["unknown", "not given out yet", "reported already"])
def test_only_a_running_trial_can_be_reported(which: str) -> None:
    plan = plan_of({"a": GIVEN})
    planner = Planner(plan)
    first = planner.next()
    assert isinstance(first, CompleteTrial)
    planner.tell(first.id, DONE)
    trial_id = {
        "unknown": "0" * 20,
        "not given out yet": plan.cells[0].trainings[1].id,
        "reported already": first.id,
    }[which]
    with pytest.raises(KeyError):
        planner.tell(trial_id, DONE)
    assert planner.outcomes == {first.id: "completed"}


def test_a_data_set_is_needed_while_trials_that_use_it_are_left() -> None:
    plan = plan_of({"a": READ}, grid(dataset=("digits", "mnist")), seeds=1)
    assert Planner(plan).datasets_needed() == {"digits", "mnist"}
    digits, mnist = (range_tests_of(cell)[0] for cell in plan.cells)
    recorded = {digits.id: peak_at(0.4)}
    recorded |= {trial.id: DONE for trial in plan.cells[0].trainings_with(max_lr=0.4)}
    assert Planner(plan, recorded.get).datasets_needed() == {"mnist"}
    recorded[mnist.id] = peak_at(0.5)
    assert Planner(plan, recorded.get).datasets_needed() == {"mnist"}
    recorded |= {trial.id: DONE for trial in plan.cells[1].trainings_with(max_lr=0.5)}
    finished = Planner(plan, recorded.get)
    assert finished.datasets_needed() == set()
    assert finished.next() is Signal.FINISHED


def test_the_data_set_of_trainings_that_wait_for_a_running_range_test_is_needed() -> None:
    planner = Planner(plan_of({"a": READ}))
    taken(planner)
    assert planner.datasets_needed() == {"digits"}


# Every order, and killed at any moment

PLAN = plan_of(
    {
        "a": READ,
        "b": LIKE_READ,
        "c": Arm(policy="cosine", max_lr=from_range_test(high=1.0)),
        "d": GIVEN,  # the same at both tails
    },
    grid(data_fraction=(0.5, 1.0)) * grid(tail=("step", "linear")),
)


@dataclass
class Run:
    """A runner with several trials in progress, which end in an order of chance.

    The outcome of a trial depends on the trial and on `salt`, not on when it ends.
    """

    planner: Planner
    random: Random
    salt: int
    running: list[CompleteTrial] = field(default_factory=list)
    given_out: list[CompleteTrial] = field(default_factory=list)
    ended: dict[str, Outcome] = field(default_factory=dict)

    def go_on(self, ends: int = 10**6) -> Run:
        """Until so many trials have ended, or all."""
        while len(self.ended) < ends:
            trial = self.planner.next() if len(self.running) < 4 else Signal.WAIT
            if isinstance(trial, CompleteTrial):
                self.running.append(trial)
                self.given_out.append(trial)
            if trial is Signal.FINISHED:
                assert not self.running
                break
            if trial is Signal.WAIT or self.random.random() < 0.5:
                ended = self.running.pop(self.random.randrange(len(self.running)))
                self.ended[ended.id] = outcome(ended, self.salt)
                self.planner.tell(ended.id, self.ended[ended.id])
        return self

    def ids(self) -> set[str]:
        return {trial.id for trial in self.given_out}

    def recorded(self) -> Callable[[str], Outcome | None]:
        """What a store would have kept."""
        return {id_: end for id_, end in self.ended.items() if end.status != "failed"}.get


def outcome(trial: CompleteTrial, salt: int) -> Outcome:
    chance = Random(f"{trial.id} {salt}")
    status: Status = chance.choices(("completed", "diverged", "failed"), (8, 3, 1))[0]
    if status == "failed":
        return Outcome(status)
    if trial.kind == "training":
        measured = ("validation_accuracy", "validation_loss", "test_accuracy")
        return Outcome(status, {name: chance.random() for name in measured})
    rows = tent(chance.choice(RATES))
    if status == "diverged":
        rows = [*rows[: chance.randrange(2, 10)], {"lr": 0.55, READ_COLUMN: 0.1}]
    return Outcome(status, curve=rows)


orders = st.randoms(use_true_random=False)
salts = st.integers(0, 1000)


SEARCHED = plan_of(
    {
        "a": Arm(policy="one_cycle", max_lr=tuned(0.1, 3.0), weight_decay=tuned(1e-5, 1e-2)),
        "b": Arm(policy="cosine", max_lr=tuned(0.1, 3.0)),
        "c": READ,
    },
    grid(data_fraction=(0.5, 1.0)),
    seeds=at_least(2, up_to=5),
    tuning=Tuning(trials=5, replicates=2),
)
SEARCHED_ONCE = plan_of(
    {"a": Arm(policy="cosine", max_lr=tuned(0.1, 3.0)), "b": GIVEN},
    seeds=at_least(2, up_to=5),
    tuning=Tuning(trials=5, replicates=2, per_seed=False, sampler="tpe", parallel=2),
)
plans = pytest.mark.parametrize(
    "plan", [PLAN, SEARCHED, SEARCHED_ONCE], ids=["range tests", "searches", "one search"]
)


@plans
@settings(max_examples=25)
@given(one=orders, other=orders, salt=salts)
def test_every_order_of_outcomes_gives_the_same_trials_and_memberships(
    plan: Plan, one: Random, other: Random, salt: int
) -> None:
    runs = [Run(Planner(plan), order, salt).go_on() for order in (one, other)]
    first, second = (run.planner for run in runs)
    assert runs[0].ids() == runs[1].ids()
    assert set(first.memberships) == set(second.memberships)
    assert len(first.memberships) == len(set(first.memberships))
    assert first.outcomes == second.outcomes
    assert {cell.describe() for cell, _ in first.blocked} == {
        cell.describe() for cell, _ in second.blocked
    }
    for run in runs:
        assert len(run.given_out) == len(run.ids()) == run.planner.total
        assert run.planner.left == run.planner.to_come == 0
        assert {member.trial_id for member in run.planner.memberships} == run.ids()


@plans
@settings(max_examples=25)
@given(order=orders, salt=salts, kill_after=st.integers(0, 40), kill_again_after=st.integers(0, 40))
def test_a_planner_killed_at_any_moment_continues_where_it_stopped(
    plan: Plan, order: Random, salt: int, kill_after: int, kill_again_after: int
) -> None:
    whole = Run(Planner(plan), order, salt).go_on()
    killed = Run(Planner(plan), order, salt).go_on(kill_after)
    ended = dict(killed.ended)
    for ends in (kill_again_after, 10**6):
        recorded = Run(killed.planner, order, salt, ended=ended).recorded()
        killed = Run(Planner(plan, recorded), order, salt).go_on(ends)
        assert not [trial for trial in killed.given_out if recorded(trial.id)]
        assert len(killed.given_out) == len(killed.ids())
        ended |= killed.ended
    assert ended == whole.ended
    assert set(killed.planner.memberships) == set(whole.planner.memberships)
    assert killed.planner.outcomes == whole.planner.outcomes
    assert len(killed.planner.blocked) == len(whole.planner.blocked)


@plans
@settings(max_examples=25)
@given(order=orders, salt=salts)
def test_a_planner_of_a_finished_study_is_finished(plan: Plan, order: Random, salt: int) -> None:
    whole = Run(Planner(plan), order, salt).go_on()
    again = Planner(plan, whole.ended.get)
    assert again.next() is Signal.FINISHED
    assert again.left == 0
    assert again.outcomes == whole.planner.outcomes
    assert set(again.memberships) == set(whole.planner.memberships)


@plans
@settings(max_examples=25)
@given(order=orders, salt=salts, allowed=st.integers(0, 30))
def test_many_short_runs_give_the_results_of_one_long_run(
    plan: Plan, order: Random, salt: int, allowed: int
) -> None:
    whole = Run(Planner(plan), order, salt).go_on()
    part = Planner(plan, max_trials=allowed)
    ended = {}
    for trial in taken(part):
        ended[trial.id] = outcome(trial, salt)
        part.tell(trial.id, ended[trial.id])
    assert len(ended) <= allowed
    kept = {id_: end for id_, end in ended.items() if end.status != "failed"}
    rest = Run(Planner(plan, kept.get), order, salt).go_on()
    assert ended | rest.ended == whole.ended
    assert set(rest.planner.memberships) == set(whole.planner.memberships)


def test_a_failed_range_test_is_run_again_and_its_cell_continues() -> None:
    plan = plan_of({"a": READ})
    planner = Planner(plan)
    first, second = taken(planner)
    planner.tell(first.id, peak_at(0.4))
    planner.tell(second.id, FAILED)
    assert planner.next() is Signal.FINISHED
    again = Planner(plan, {first.id: peak_at(0.4)}.get)
    (retried,) = taken(again)
    assert retried == second
    again.tell(retried.id, peak_at(0.4))
    assert taken(again) == list(plan.cells[0].trainings_with(max_lr=0.4))
