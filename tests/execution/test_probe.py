"""Paces that are measured by a few steps, on a clock that the model advances."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, iterations
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.building import make_plan
from superconv_ray.design.trial import Template
from superconv_ray.execution.probe import Probe

SAMPLE_SECONDS = 0.001


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("superconv_ray.training.loop.time", SimpleNamespace(perf_counter=clock))
    return clock


class Timed(nn.Module):
    """A model that takes a fixed time for each sample, and twice as long to evaluate it."""

    clock: Clock
    sample_seconds = SAMPLE_SECONDS
    sizes: list[int]

    def __init__(self, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:  # noqa: ARG002
        super().__init__()
        self.layer = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        self.clock.now += len(x) * self.sample_seconds * (1 if self.training else 2)
        if self.training:
            self.sizes.append(len(x))
        logits: Tensor = self.layer(x.flatten(1))
        return logits


def trial(batch_size: int, **settings: Any) -> Template:
    base = Trial(dataset="digits", batch_size=batch_size, max_lr=0.1, **settings)
    arms = {"a": Arm(policy="constant")}
    return (
        make_plan(Study(name="x", base=base, arms=arms, budget=iterations(9)))
        .cells[0]
        .templates.pattern
    )


def timed(clock: Clock, sample_seconds: float = SAMPLE_SECONDS) -> type[Timed]:
    return type("Own", (Timed,), {"clock": clock, "sample_seconds": sample_seconds, "sizes": []})


def probe(clock: Clock) -> Probe:
    return Probe(torch.device("cpu"), seconds=3.0, clock=clock)


def test_the_time_of_a_step_is_measured_on_the_true_batch(clock: Clock) -> None:
    model = timed(clock)
    found = probe(clock).measure(trial(32), model, DATASETS["digits"])
    assert found.step.likely == pytest.approx(32 * SAMPLE_SECONDS)
    assert found.step.low == pytest.approx(found.step.high)
    assert 32 in model.sizes
    assert "probe on" in found.source
    assert not found.on_gpu


def test_the_time_of_an_evaluated_sample_is_measured(clock: Clock) -> None:
    found = probe(clock).measure(trial(32), timed(clock), DATASETS["digits"])
    # Counted are three passes, as batch norm needs them; this model takes one.
    assert found.sample.likely == pytest.approx(2 * SAMPLE_SECONDS / 3)


def test_every_size_of_training_images_is_measured(clock: Clock) -> None:
    class OnlyCorners(timed(clock)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            self.clock.now -= len(x) * self.sample_seconds * (8 - x.shape[-1]) / 8  # of 8 pixels
            logits: Tensor = super().forward(nn.functional.pad(x, (0, 8 - x.shape[-1]) * 2))
            return logits

    found = probe(clock).measure(trial(32, image_sizes=(4, 8)), OnlyCorners, DATASETS["digits"])
    assert found.step.likely == pytest.approx(32 * SAMPLE_SECONDS * (4 / 8 + 1) / 2)


def test_a_batch_that_takes_too_long_is_scaled_and_said_so(clock: Clock) -> None:
    model = timed(clock, 0.1)
    found = probe(clock).measure(trial(1000), model, DATASETS["digits"])
    assert max(model.sizes) < 1000
    assert found.step.likely == pytest.approx(1000 * 0.1)
    assert found.step.low == pytest.approx(found.step.likely / 2)
    assert found.source.startswith("scaled from batch ")
    assert found.sample.likely == pytest.approx(0.1 / 3)  # there was no time to evaluate
    assert clock.now < 30


def test_a_model_that_diverges_in_the_warm_up_has_no_pace(clock: Clock) -> None:
    model = timed(clock)

    class Diverging(model):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = super().forward(x)
            return logits * float("nan")

    with pytest.raises(FloatingPointError, match="small_cnn diverges at step 1 of a probe"):
        probe(clock).measure(trial(32), Diverging, DATASETS["digits"])


def test_a_precision_that_the_device_lacks_is_known_before(clock: Clock) -> None:
    assert probe(clock).has_precision_of(trial(32))
    assert not probe(clock).has_precision_of(trial(32, precision="tf32"))


def test_the_threads_of_the_process_are_as_before(clock: Clock) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        probe(clock).measure(trial(8), timed(clock), DATASETS["digits"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_built_in_models_are_measured_without_their_data() -> None:
    short = Probe(torch.device("cpu"), seconds=0.05)
    found = short.measure(trial(8), "small_cnn", DATASETS["cifar10"])
    assert 0 < found.step.low <= found.step.likely <= found.step.high
    assert found.sample.likely > 0
