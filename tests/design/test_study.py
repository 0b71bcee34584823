from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from superconv_ray.design.budget import epochs, iterations
from superconv_ray.design.choices import Tuning, tuned
from superconv_ray.design.seeds import at_least
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import grid
from superconv_ray.design.trial import Trial


def study(**changes: Any) -> Study:
    return Study(**{"name": "question", "budget": iterations(10), **changes})


def test_an_arm_shows_as_it_is_written() -> None:
    assert repr(Arm(policy="one_cycle", max_lr=0.1)) == "Arm(policy='one_cycle', max_lr=0.1)"


def test_a_study_by_default_has_one_arm_one_point_and_three_seeds() -> None:
    plain = study()
    assert list(plain.arms) == ["one_cycle"]
    assert plain.arms["one_cycle"].settings == {}
    assert plain.sweep.points == ({},)
    assert tuple(plain.seed_values()) == (0, 1, 2)
    assert plain.base == Trial()


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "../up", "a\n", "ä", 101 * "a"])
def test_the_name_of_a_study_must_suit_a_file(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name must be at most 100 letters") as caught:
        study(name=name)
    assert str(caught.value).endswith(f"got {name!r}")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("budget", 300, "budget must come from iterations"),
        ("base", {"dataset": "digits"}, r"base must be a Trial\(\.\.\.\), got \{'dataset'"),
        ("sweep", {"dropout": (0, 1)}, "sweep must come from grid.* or paired.*, got {'dropout'"),
        ("arms", {"a": Arm(), "b": {"max_lr": 1}}, r"arms: 'b' must be an Arm.*got \{'max_lr': 1"),
        ("arms", [Arm()], r"arms must map names to arms, such as .*, got \[Arm\(\)\]"),
        ("datasets", None, r"datasets must map names to data sets, such as .*, got None"),
        ("models", [int], r"models must map names to models, such as .*, got \[<class 'int'>\]"),
        ("name", 123, "name must be a text, got 123"),
        ("question", None, "question must be a text, got None"),
        ("trial_limit", "10", "trial_limit must be of type int, got '10'"),
    ],
)
def test_a_part_of_the_wrong_kind_is_rejected(field: str, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        study(**{field: value})


@pytest.mark.parametrize("margin", [0, -0.01, 1.0, 5, float("nan"), float("inf")])
def test_the_margin_of_accuracies_is_a_fraction(margin: float) -> None:
    with pytest.raises(ValueError, match=r"^margin must be > 0 and < 1, as a fraction, got"):
        study(margin=margin)


def test_the_margin_of_a_metric_with_a_unit_may_be_large() -> None:
    assert type(study(margin=np.float32(0.25)).margin) is float  # it is written as JSON
    assert study(base=Trial(metric="rmse", loss="mse"), margin=20).margin == 20
    with pytest.raises(TypeError, match=r"^margin must be of type float, got '0\.5 %'"):
        study(margin="0.5 %")


@pytest.mark.parametrize("name", ["", " ", "a\nb", 61 * "x"])
def test_a_name_is_a_word_in_tables(name: str) -> None:
    with pytest.raises(ValueError, match=r"^arms: names must be one line of 1 to 60 printable"):
        study(arms={name: Arm()})
    with pytest.raises(TypeError, match=r"^models: names must be texts, got 1"):
        study(models={1: lambda: None})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (5, "tables must be a function of trials and curves, or None, got 5"),
        (lambda _: {}, "tables must take two frames, trials and curves: too many positional"),
    ],
)
def test_tables_of_a_study_take_two_frames(tables: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        study(tables=tables)


def test_a_study_needs_an_arm() -> None:
    with pytest.raises(ValueError, match="arms must name at least one arm, got none"):
        study(arms={})


def test_names_of_built_in_data_sets_and_models_are_rejected() -> None:
    with pytest.raises(ValueError, match="datasets: 'digits' is the name of a built-in data set"):
        study(datasets={"digits": lambda: None})
    with pytest.raises(ValueError, match="models: 'lenet' is the name of a built-in model"):
        study(models={"lenet": lambda: None})


def test_a_cell_runs_at_least_the_first_seeds() -> None:
    given = study(seeds=at_least(3, up_to=12), arms={"a": Arm(), "b": Arm(policy="cosine")})
    assert given.first_seeds() == 3
    assert tuple(given.seed_values()) == tuple(range(12))
    assert study(seeds=4).first_seeds() == 4


def test_adding_seeds_until_it_is_decided_needs_two_arms() -> None:
    with pytest.raises(ValueError, match=r"seeds: at_least\(\.\.\.\) needs two arms.*got 1"):
        study(seeds=at_least(2, up_to=3))


def test_a_budget_may_be_left_to_the_sweep() -> None:
    sweep = grid(budget=(iterations(10), epochs(2)))
    given = study(budget=None, sweep=sweep)
    assert [given.budget_at(point) for point in sweep.points] == [iterations(10), epochs(2)]
    with pytest.raises(ValueError, match="budget is set by the study and by the sweep; choose one"):
        study(sweep=sweep)
    with pytest.raises(TypeError, match=r"budget must come from iterations.*got None"):
        study(budget=None)
    with pytest.raises(TypeError, match=r"budget must come from iterations.*got 5"):
        study(budget=None, sweep=grid(budget=(5,)))
    with pytest.raises(ValueError, match="arms: 'a' cannot set the budget, because all"):
        study(arms={"a": Arm(budget=iterations(3))})


# Its size


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"seeds": 30_000_000}, "30,000,000 (1 point x 1 arm x 30,000,000 seeds)"),
        (
            {"sweep": grid(dropout=[0.0] * 10_000) * grid(weight_decay=[0.0] * 10_000)},
            "300,000,000 (100,000,000 points x 1 arm x 3 seeds)",
        ),
        (
            {"arms": {"a": Arm(max_lr=tuned(0.1, 1))}, "tuning": Tuning(trials=10**7)},
            "30,000,003 (1 point x 1 arm x 3 seeds + 10,000,000 tuning trials a search)",
        ),
        (
            {
                "arms": {"a": Arm(max_lr=tuned(0.1, 1))},
                "tuning": Tuning(trials=10**7, per_seed=False),
            },
            "10,000,003 (1 point x 1 arm x 3 seeds + 10,000,000 tuning trials a search)",
        ),
    ],
)
def test_a_study_of_absurd_size_is_refused_before_a_trial_is_made(
    changes: dict[str, Any], size: str
) -> None:
    with pytest.raises(ValueError, match="trial_limit: study 'x' must have at most 1,000,000") as e:
        Study(name="x", budget=iterations(1), **changes)
    assert size in str(e.value)


def test_the_limit_of_trials_can_be_raised_to_what_its_message_says() -> None:
    with pytest.raises(ValueError, match=r"raise the limit with Study\(..., trial_limit=1000003\)"):
        Study(name="x", budget=iterations(1), seeds=1_000_003)
    raised = Study(name="x", budget=iterations(1), seeds=1_000_003, trial_limit=1_000_003)
    assert len(raised.seed_values()) == 1_000_003
