"""`Study.plan`: counts, a table, and how long the rest would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from superconv_ray import (
    Arm,
    Study,
    StudyPlan,
    Trial,
    Tuning,
    at_least,
    from_range_test,
    grid,
    iterations,
    tuned,
)
from superconv_ray.api.cost import TRIAL_SECONDS
from superconv_ray.data.readers import DatasetNotFoundError


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "planned",
        "question": "Is a < b?",
        "base": Trial(dataset="digits", batch_size=16, eval_interval=10),
        "sweep": grid(data_count=(60, 120)),
        "arms": {
            "one_cycle": Arm(max_lr=from_range_test(steps=10)),
            "constant": Arm(policy="constant", max_lr=0.05),
        },
        "budget": iterations(20),
        "seeds": 2,
    }
    return Study(**{**settings, **changes})


def test_it_counts_cells_trials_and_steps() -> None:
    plan = study().plan()
    assert isinstance(plan, StudyPlan)
    assert len(plan.cells) == 4
    # At each of 2 points: 2 range tests of 10 steps, and 2 x 2 trainings of 20 steps
    assert (plan.range_tests, plan.tuning_trials, plan.trainings, plan.trials) == (4, 0, 8, 12)
    assert plan.steps == 4 * 10 + 8 * 20


def test_tuning_trials_are_counted_with_their_replicates() -> None:
    arms = {"a": Arm(policy="constant", max_lr=tuned(0.01, 1))}
    plan = study(arms=arms, tuning=Tuning(trials=3, replicates=2, per_seed=False)).plan()
    assert (plan.tuning_trials, plan.trainings, plan.trials) == (12, 4, 16)
    assert plan.steps == (12 + 4) * 20
    assert plan.cells[0].max_lr == "tuned"
    assert plan.cells[0].choosing == (6, 6)


def test_every_seed_that_may_be_added_has_a_search() -> None:
    arms = {"a": Arm(max_lr=tuned(0.01, 1)), "b": Arm(policy="constant", max_lr=0.1)}
    plan = study(arms=arms, tuning=Tuning(trials=3), seeds=at_least(2, up_to=5)).plan()
    # At each of 2 points: 5 searches of 3 trials, and 2 x 5 trainings
    assert (plan.tuning_trials, plan.trainings, plan.trials) == (30, 20, 50)
    assert plan.steps == 50 * 20
    assert [cell.choosing for cell in plan.cells] == [(6, 15), (0, 0)] * 2
    assert " 6-15    2-5\n" in repr(plan)


def test_trainings_that_confirm_a_rate_are_counted_as_tuning() -> None:
    arms = {"a": Arm(max_lr=from_range_test(steps=10, confirm=3))}
    plan = study(arms=arms).plan()
    # At each of 2 points: 2 range tests of 10 steps, 3 x 2 trainings that confirm, and 2 trainings
    assert (plan.range_tests, plan.tuning_trials, plan.trainings) == (4, 12, 4)
    assert plan.steps == 4 * 10 + (12 + 4) * 20
    assert (plan.cells[0].max_lr, plan.cells[0].choosing) == ("range test, confirmed", (8, 8))


def test_seeds_that_may_be_added_are_a_range() -> None:
    plan = study(seeds=at_least(2, up_to=5)).plan()
    assert plan.cells[0].trainings == (2, 5)
    assert repr(plan).splitlines()[1].endswith(" steps at most")


def test_its_text_is_a_table() -> None:
    assert repr(study().plan()).splitlines() == [
        "study planned: Is a < b?",
        "4 cells, 12 trials (4 range tests, 8 trainings), 200 steps",
        "arm        data_count  labels  steps  max_lr      to choose  seeds",
        "one_cycle          60      60     20  range test          2      2",
        "constant           60      60     20  0.05                0      2",
        "one_cycle         120     120     20  range test          2      2",
        "constant          120     120     20  0.05                0      2",
        "estimated time: unknown (no store and no probe)",
    ]


def test_settings_that_all_cells_share_have_a_line_in_place_of_a_column() -> None:
    plan = study(sweep=grid(batch_size=[20], dropout=[0.0, 0.1])).plan()
    _, _, shared, headings, first, *_ = repr(plan).splitlines()
    assert shared == "in all cells: batch_size=20"
    assert headings.split()[:3] == ["arm", "dropout", "labels"]
    assert first.split()[:3] == ["one_cycle", "0.0", "1,437"]
    assert "<p>study planned: " in plan._repr_html_()
    assert "<br>in all cells: batch_size=20</p>" in plan._repr_html_()


def test_in_a_notebook_it_is_an_html_table() -> None:
    page = study().plan()._repr_html_()
    assert "Is a &lt; b?" in page
    assert page.count("<tr>") == 1 + 4
    assert "<td>range test</td>" in page


def test_of_many_cells_the_first_and_the_last_are_listed() -> None:
    plan = study(sweep=grid(dropout=[i / 1000 for i in range(500)]), seeds=100).plan()
    _, counts, _, *rows, left_out, warning, _ = repr(plan).splitlines()
    # At each of 500 points: 100 range tests of 10 steps, and 2 x 100 trainings of 20 steps
    assert counts == (
        "1,000 cells, 150,000 trials (50,000 range tests, 100,000 trainings), 2,500,000 steps"
    )
    shown = [row.split()[1] for row in (rows[0], rows[19], rows[21], rows[-1])]
    assert shown == ["0.0", "0.009", "0.49", "0.499"]
    assert rows[20].split() == ["..."]
    assert len(rows) == 41
    assert left_out == "960 cells left out; Study.plan().cells has all of them"
    assert warning.startswith("warning: a large study; at 1 ms a step it takes 42 min, one trial ")
    assert plan._repr_html_().count("<tr>") == 1 + 41
    assert len(plan.cells) == 1000


def test_steps_that_would_take_more_than_a_year_are_warned_of() -> None:
    plan = study(budget=iterations(10**10), sweep=grid()).plan()
    assert "warning: a large study; at 1 ms a step it takes 463.0 days" in repr(plan)
    assert "warning" not in repr(study().plan())


# With a store


def test_without_a_store_the_time_is_unknown(store_uri: str) -> None:
    plan = study().plan()
    assert plan.stored is None
    assert plan.cost is None
    empty = study().plan(store_uri)
    assert empty.cost is not None
    assert empty.cost.seconds is None  # nothing measured yet
    assert not Path(store_uri).exists()


def test_the_time_is_that_of_the_steps_and_evaluations_left(store_uri: str) -> None:
    ran = study(seeds=1).run(store_uri, local=True, progress=False)
    trials = ran.trials.drop_duplicates("trial_id")
    step = trials["train_seconds"].sum() / trials["steps"].sum()
    plan = study(seeds=3).plan(store_uri)
    assert plan.stored is not None
    # At each of 2 points one of 3 range tests is done, and one of the 3 trainings of the constant
    # arm; those of the other arm are open until max_lr is read off all range tests.
    assert (plan.stored.done, plan.stored.left) == (4, 14)
    steps = 2 * (2 * 10 + 2 * 20 + 3 * 20)
    assert plan.cost is not None
    assert plan.cost.busy_seconds is not None
    evaluating = plan.cost.busy_seconds.likely - steps * step - 14 * TRIAL_SECONDS.likely
    assert 0 < evaluating < 30 * trials["eval_seconds"].max()
    lines = repr(plan).splitlines()
    assert f"in {store_uri}: 4 done, 14 left" in lines
    assert any(
        line.startswith("pace: small_cnn on digits, batch 16: ") and "measured by 6 trials" in line
        for line in lines
    )


def test_of_another_batch_size_the_time_is_unknown(store_uri: str) -> None:
    study(seeds=1).run(store_uri, local=True, progress=False)
    other = study(base=Trial(dataset="digits", batch_size=20)).plan(store_uri)
    assert other.cost is not None
    assert other.cost.seconds is None
    assert repr(other).endswith(
        "estimated time: unknown (no pace of small_cnn on digits, batch 20)"
    )


def test_where_nothing_is_left_there_is_no_time_to_estimate(store_uri: str) -> None:
    study().run(store_uri, local=True, progress=False)
    plan = study().plan(store_uri, slots=2, price_per_hour=1.0)
    assert plan.cost is not None
    assert (plan.cost.seconds, plan.cost.price) == ((0, 0, 0), (0, 0, 0))
    assert repr(plan).splitlines()[-1] == f"in {store_uri}: 12 done, 0 left"


def test_the_pace_of_a_model_that_diverges_is_unknown() -> None:
    class Diverging(nn.Module):
        def __init__(self, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:  # noqa: ARG002
            super().__init__()
            self.layer = nn.Linear(64, classes)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.layer(x.flatten(1))
            return logits * float("nan")

    own = study(base=Trial(model="own", batch_size=16), models={"own": Diverging})
    assert repr(own.plan(probe=True)).endswith(
        "estimated time: unknown (no pace of own on digits, batch 16)"
    )


def test_a_given_rate_prices_a_study_without_store_and_probe() -> None:
    plan = study().plan(slots=2, price_per_hour=3.0, images_per_second=1600)
    assert plan.cost is not None
    assert plan.cost.busy_seconds is not None
    # 200 steps of 16 images, and evaluations
    assert plan.cost.busy_seconds.likely > 200 * 16 / 1600 + 12 * TRIAL_SECONDS.likely
    text = repr(plan)
    assert "batch 16: 10 ms a step, at the given 1,600 images/s" in text
    assert " on 2 slots (" in text
    assert "] at 3 an hour\n" in text


def test_an_option_of_the_price_that_makes_no_sense_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"slots must be a number > 0, got 0"):
        study().plan(slots=0)
    with pytest.raises(ValueError, match=r"price_per_hour must be a number > 0, got -1"):
        study().plan(price_per_hour=-1, slots=2)


# Checks


def test_missing_data_are_found_only_where_a_folder_is_given(tmp_path: Path) -> None:
    planned = study(base=Trial(dataset="mnist", batch_size=16))
    assert len(planned.plan().cells) == 4
    with pytest.raises(DatasetNotFoundError, match="mnist was not found"):
        planned.plan(data_dir=tmp_path)


def test_a_model_that_does_not_build_is_rejected() -> None:
    def build(input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        raise RuntimeError(f"no model for {input_shape}, {classes}, {dropout}")

    own = study(base=Trial(model="own", batch_size=16), models={"own": build})
    with pytest.raises(RuntimeError, match=r"no model for \(1, 8, 8\), 10, 0.0"):
        own.plan()
