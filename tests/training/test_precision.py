from __future__ import annotations

import pytest
import torch

from superconv_ray.training.precision import resolve_precision
from tests.training.made import (
    CPU,
    make_trial,
    trained,
)


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(True, False, "bf16"), (False, True, "bf16"), (False, False, "fp32")],
)
def test_auto_precision_is_bf16_on_cpus_with_instructions_for_it(
    amx: bool, avx512: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: avx512)
    assert resolve_precision("auto", CPU) == expected
    trial = make_trial(precision="auto", steps=1)
    assert trained(trial).outcome().measurements["precision_used"] == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_bf16_on_gpus_that_have_it_without_emulation(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return including_emulation or native

    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_supported)
    assert resolve_precision("auto", torch.device("cuda", 0)) == expected


def test_auto_precision_is_fp32_on_other_devices() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_used_anywhere(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    assert resolve_precision(precision, CPU) == precision
    outcome = trained(make_trial(precision=precision)).outcome()
    assert outcome.measurements["precision_used"] == precision
    assert outcome.measurements["test_accuracy"] > 0.6


def test_bf16_rounds_where_fp32_does_not() -> None:
    one, other = trained(make_trial()), trained(make_trial(precision="bf16"))
    assert one.curve[0]["train_loss"] != other.curve[0]["train_loss"]
    assert one.curve[0]["train_loss"] == pytest.approx(other.curve[0]["train_loss"], rel=0.02)
    assert {p.dtype for p in other.model.parameters()} == {torch.float32}
