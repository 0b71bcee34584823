"""In which precision a run computes, with which kernels, and what it leaves of the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from superconv_ray.training import numerics
from superconv_ray.training.numerics import Numerics, prepare_process, resolve_precision
from tests.training.made import (
    CPU,
    SoftmaxRegression,
    everything,
    make_trial,
    never_cut_off,
    new_run,
    trained,
)

pytestmark = pytest.mark.device

MATMUL, CUDNN = torch.backends.cuda.matmul, torch.backends.cudnn
HAS_NEW_SWITCHES = hasattr(torch.backends, "fp32_precision")  # from torch 2.9 on


def settings() -> dict[str, Any]:
    """What decides the kernels of this process."""
    found: dict[str, Any] = {
        "matmul": torch.get_float32_matmul_precision(),
        "cudnn tf32": CUDNN.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn deterministic": CUDNN.deterministic,
        "cudnn benchmark": CUDNN.benchmark,
    }
    if HAS_NEW_SWITCHES:
        found |= {
            "new matmul": MATMUL.fp32_precision,
            "new cudnn": CUDNN.conv.fp32_precision,  # type: ignore[attr-defined]
            "onednn": torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        }
    return found


class Watching(SoftmaxRegression):
    """Notes the settings of the process while it computes."""

    seen: dict[str, Any]

    def forward(self, x: Tensor) -> Tensor:
        Watching.seen = settings()
        return super().forward(x)


@pytest.fixture
def fast_process() -> Iterator[dict[str, Any]]:
    """A process in which the user has chosen speed."""
    torch.set_float32_matmul_precision("medium")
    CUDNN.benchmark = True
    yield settings()
    torch.set_float32_matmul_precision("highest")
    CUDNN.benchmark = False


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


# TF32


def test_tf32_is_refused_where_the_device_has_none() -> None:
    with pytest.raises(
        ValueError, match=r"precision must be one of 'auto', 'fp32', 'bf16' on .*no TF32.*'tf32'$"
    ):
        new_run(make_trial(precision="tf32"))


@pytest.mark.parametrize(
    ("capability", "hip", "has_it"),
    [((9, 0), None, True), ((8, 0), None, True), ((7, 5), None, False), ((9, 4), "6.2", False)],
)
def test_tf32_needs_a_gpu_that_has_it(
    capability: tuple[int, int], hip: str | None, has_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    monkeypatch.setattr("torch.version.hip", hip)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "Tesla T4")
    numerics.device_name.cache_clear()
    gpu = torch.device("cuda", 0)
    if has_it:
        assert resolve_precision("tf32", gpu) == "tf32"
    else:
        with pytest.raises(ValueError, match="on Tesla T4, which has no TF32"):
            resolve_precision("tf32", gpu)
    numerics.device_name.cache_clear()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fp32_is_never_tf32_whatever_the_process_is_set_to(
    precision: str, fast_process: dict[str, Any]
) -> None:
    trained(make_trial(precision=precision, steps=1), Watching)
    assert Watching.seen["matmul"] == "highest"
    assert Watching.seen["cudnn tf32"] is False
    if HAS_NEW_SWITCHES:
        assert Watching.seen["new matmul"] == Watching.seen["new cudnn"] == "ieee"
        assert Watching.seen["onednn"] == "ieee"
    assert settings() == fast_process


@pytest.mark.skipif(not HAS_NEW_SWITCHES, reason="torch has no switch for all operations")
def test_fp32_is_not_tf32_where_the_process_sets_it_with_the_newer_switch() -> None:
    before = torch.backends.fp32_precision  # type: ignore[attr-defined]
    torch.backends.fp32_precision = "tf32"  # type: ignore[attr-defined]
    try:
        assert CUDNN.conv.fp32_precision == "tf32"  # type: ignore[attr-defined]
        trained(make_trial(steps=1), Watching)
        assert Watching.seen["new matmul"] == Watching.seen["new cudnn"] == "ieee"
        assert CUDNN.conv.fp32_precision == "tf32"  # type: ignore[attr-defined]
    finally:
        torch.backends.fp32_precision = before  # type: ignore[attr-defined]


def test_tf32_is_for_matrix_products_and_convolutions() -> None:
    before = settings()
    with Numerics(CPU, "tf32", deterministic=False).applied():
        assert torch.get_float32_matmul_precision() == "high"
        assert CUDNN.allow_tf32
        assert MATMUL.allow_tf32
    assert settings() == before


# Deterministic kernels


def test_a_deterministic_run_computes_with_deterministic_kernels_only(
    fast_process: dict[str, Any],
) -> None:
    run = trained(make_trial(steps=1, deterministic=True), Watching)
    expected = {"deterministic": True, "cudnn deterministic": True, "cudnn benchmark": False}
    assert Watching.seen.items() >= expected.items()
    assert settings() == fast_process
    Watching.seen = {}
    run.outcome()  # evaluates
    assert Watching.seen.items() >= expected.items()
    trained(make_trial(steps=1), Watching)
    assert not Watching.seen["deterministic"]


def test_an_operation_without_a_deterministic_kernel_is_an_error_that_leaves_no_trace() -> None:
    class Scatters(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).put_(torch.tensor([0]), torch.tensor([1.0]))

    before = settings()
    with pytest.raises(RuntimeError, match="put_ does not have a deterministic implementation"):
        trained(make_trial(deterministic=True), Scatters)
    assert settings() == before


def test_on_a_cpu_deterministic_kernels_give_the_same_numbers() -> None:
    found, expected = everything(trained(make_trial(deterministic=True))), never_cut_off("plain")
    assert found["rows"] == expected["rows"]
    assert found["weights"] == expected["weights"]


@pytest.mark.parametrize(
    ("given", "started", "expected"),
    [(None, False, ":4096:8"), (":16:8", False, ":16:8"), (None, True, None)],
)
def test_cublas_gets_its_workspace_before_cuda_starts(
    given: str | None, started: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {} if given is None else {"CUBLAS_WORKSPACE_CONFIG": given}
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: started)
    prepare_process()
    assert environment.get("CUBLAS_WORKSPACE_CONFIG") == expected
