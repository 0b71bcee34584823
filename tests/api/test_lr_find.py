"""LR range tests from Python: which ones run, and what the returned object says."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
import pytest
from torch import Tensor, nn

from superconv_ray import Dataset
from superconv_ray.analysis.range_tests.advice import Verdict
from superconv_ray.analysis.range_tests.tables import RULES
from superconv_ray.api.lr_find import LRFind, default_study, lr_find, lr_find_study
from superconv_ray.design.budget import iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import from_range_test
from superconv_ray.design.plan import Plan, range_tests_alone
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import grid
from superconv_ray.design.trial import Trial
from tests.design.made import distinct, range_tests_of

STUDY = Study(
    name="mine",
    base=Trial(dataset="digits", batch_size=16, weight_decay=1e-4),
    sweep=grid(data_fraction=(0.1, 0.5)),
    arms={"one_cycle": Arm(max_lr=from_range_test()), "constant": Arm(max_lr=0.1)},
    budget=iterations(800),
    seeds=2,
)


def plan_of(study: Study, seeds: int | None = None, **changes: Any) -> Plan:
    found = lr_find_study(study, changes, from_range_test(), seeds)
    return range_tests_alone(make_plan(found))


def points(study: Study, **changes: Any) -> list[Any]:
    return [dict(cell.point) for cell in plan_of(study, **changes).cells]


def test_a_studys_range_tests_are_those_its_one_cycle_arm_would_run() -> None:
    own = [test.id for cell in make_plan(STUDY).cells for test in range_tests_of(cell)]
    found = plan_of(STUDY)
    assert [trial.id for cell in found.cells for trial in cell.trainings] == own
    assert all(trial.kind == "range_test" for trial in distinct(found))


def test_without_a_study_the_default_trial_is_tested_and_named_after_it() -> None:
    found = plan_of(default_study({}))
    assert found.study.name == "lr_find_digits_small_cnn"
    trials = distinct(found)
    assert [(t.seed, t.steps, t.batch_size) for t in trials] == [
        (2**30 + s, 500, 128) for s in range(3)
    ]
    assert default_study({"model": "lenet", "dataset": "mnist"}).name == "mnist_lenet"


def test_changes_are_made_in_the_base_and_left_out_of_the_sweep() -> None:
    assert points(STUDY) == [{"data_fraction": 0.1}, {"data_fraction": 0.5}]
    assert points(STUDY, data_fraction=0.2) == [{}]
    trials = distinct(plan_of(STUDY, seeds=1, data_fraction=0.2, batch_size=8))
    assert [(t.data_fraction, t.batch_size, t.weight_decay) for t in trials] == [(0.2, 8, 1e-4)]


def top_two(outputs: Tensor, labels: Tensor) -> float:
    return float((outputs.topk(2).indices == labels[:, None]).any(1).float().mean())


def test_a_built_in_loss_and_metric_take_the_place_of_own_functions() -> None:
    own: dict[str, Any] = {"metric": top_two, "metric_goal": "maximize", "metric_unit": "of all"}
    study = Study(name="own", base=Trial(loss=own_loss, **own), budget=iterations(100))
    changes = {"loss": "cross_entropy", "metric": "f1"}
    found = lr_find_study(study, changes, from_range_test(), None).base
    assert (found.loss, found.metric, found.metric_goal, found.metric_unit) == (
        *changes.values(),
        None,
        None,
    )


def own_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels)


def test_a_fraction_takes_the_place_of_a_count() -> None:
    counted = Study(name="c", sweep=grid(data_count=(100, 200)), budget=iterations(100))
    assert points(counted, data_fraction=0.3) == [{}]


def test_a_swept_max_lr_is_what_is_looked_for() -> None:
    swept = Study(name="s", sweep=grid(max_lr=(0.1, 0.2), dropout=(0, 0.5)), budget=iterations(100))
    assert points(swept) == [{"dropout": 0}, {"dropout": 0.5}]


def test_points_with_the_same_range_tests_are_tested_once() -> None:
    # The tail of a training is no part of its range test.
    study = Study(name="t", sweep=grid(tail_fraction=(0.1, 0.2)), budget=iterations(100))
    assert points(study) == [{"tail_fraction": 0.1}]


# Running them


class Linear(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(math.prod(input_shape), classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


def points_on_a_line() -> Dataset:
    inputs = np.linspace(-1, 1, 400, dtype=np.float32).reshape(200, 2)
    labels = np.arange(200) // 100
    return Dataset(train_inputs=inputs, train_labels=labels, test_inputs=inputs, test_labels=labels)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> LRFind:
    """Range tests of an own model on own data."""
    return lr_find(
        model=Linear,
        data=points_on_a_line,
        batch_size=10,
        steps=40,
        points=10,
        seeds=2,
        store=tmp_path_factory.mktemp("store"),
        local=True,
        progress=False,
    )


def test_an_own_model_and_own_data_are_named_after_their_functions(found: LRFind) -> None:
    assert found.study.name == "lr_find_points_on_a_line_Linear"
    assert found.summary.trained == 2
    given = lr_find_of(points_on_a_line())
    assert given.study.name == "lr_find_data_Linear"


def lr_find_of(data: Dataset) -> LRFind:
    with TemporaryDirectory() as store:
        return lr_find(model=Linear, data=data, local=True, store=store, max_trials=0, seeds=1)


def test_the_advice_is_an_object(found: LRFind) -> None:
    assert found.verdict in get_args(Verdict)
    assert f"{found.max_lr:g}" in found.advice
    assert list(found.rates) == list(RULES)
    assert found.rates["plateau_middle"] == found.max_lr
    assert len(found.table) == 1
    assert {"lr", "accuracy"} <= set(found.curves.columns)


def test_its_text_is_what_the_command_prints(found: LRFind) -> None:
    text = " ".join(repr(found).split())  # it is wrapped
    assert text.startswith(
        "range test exponential of Linear on points_on_a_line: 200 labels, LR 0.0001 to 10, "
        "40 steps, 2 seeds "
        f"verdict: {found.verdict}. "
    )
    assert "<td>plateau_middle</td>" in found._repr_html_()


def test_it_is_plotted_and_saved(found: LRFind, tmp_path: Path) -> None:
    assert "Linear on points_on_a_line" in found.plot().to_json()
    found.save(tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
    with pytest.raises(ValueError, match="a chart file must end in"):
        found.save(tmp_path / "chart.jpg")


def test_a_study_with_several_points_has_a_row_for_each(store_uri: str) -> None:
    several = lr_find(STUDY, seeds=1, steps=20, points=10, store=store_uri, local=True)
    assert len(several.table) == 2
    with pytest.raises(ValueError, match="has range tests at 2 points: see `table`"):
        _ = several.max_lr


def test_before_anything_is_done_it_says_so(store_uri: str) -> None:
    nothing = lr_find(store=store_uri, local=True, max_trials=0)
    message = "no finished range test of study 'lr_find_digits_small_cnn' yet"
    assert repr(nothing) == message
    assert not nothing.measured
    for ask in (lambda: nothing.verdict, lambda: nothing.rates, lambda: nothing.curves):
        with pytest.raises(ValueError, match=message):
            ask()
    with pytest.raises(ValueError, match="no chart"):
        nothing.plot()


def test_an_unknown_option_is_rejected(store_uri: str) -> None:
    with pytest.raises(TypeError, match="'step' is not an option"):
        lr_find(store=store_uri, step=20)
