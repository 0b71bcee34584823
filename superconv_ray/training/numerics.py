"""How a run rounds: its precision, the choice of its kernels, and what it computes on."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return what "auto" means on a device: bf16 autocast if the hardware is fast at it, else fp32.

    Fast are GPUs with native bf16, and CPUs with AMX or AVX512-BF16 instructions.

    Raises:
        ValueError: The device has no TF32, and "tf32" is asked for.
    """
    if precision == "tf32" and not _has_tf32(device):
        raise ValueError(
            f"precision must be one of 'auto', 'fp32', 'bf16' on {device_name(device)}, which has "
            "no TF32 (NVIDIA GPUs have it from Ampere on), got 'tf32'"
        )
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # torch.cpu.get_capabilities() is public, but torch 2.6 does not have it.
        fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    else:
        fast = False
    return "bf16" if fast else "fp32"


def _has_tf32(device: torch.device) -> bool:
    # torch.cuda.is_tf32_supported() is public, but torch 2.6 does not have it.
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


@dataclass(frozen=True)
class Numerics:
    """The numerics of a run.

    Attributes:
        device: Where it computes.
        precision: "fp32", which never means TF32; "tf32"; or "bf16" (autocast).
        deterministic: Whether only kernels run that give the same bits every time.
    """

    device: torch.device
    precision: str
    deterministic: bool

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Compute so, whatever this process is set to; afterwards its settings are as before."""
        settings = list(_tf32_settings(self.precision == "tf32"))
        if self.deterministic:
            settings += _DETERMINISTIC
        before = [_value(setting) for setting in settings]
        try:
            for setting in settings:
                setting.set(setting.value)
            yield
        finally:
            for setting, value in zip(settings, before, strict=True):
                if value is not None:
                    setting.set(value)

    def autocast(self) -> torch.autocast:
        """The context in which a model computes."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )


class _Setting(NamedTuple):
    """A setting of the process, and the value that a run wants."""

    get: Callable[[], Any]
    set: Callable[[Any], None]
    value: Any

    @classmethod
    def of(cls, owner: object, name: str, value: Any) -> _Setting:
        return cls(partial(getattr, owner, name), partial(setattr, owner, name), value)


def _value(setting: _Setting) -> Any:
    try:
        return setting.get()
    except RuntimeError:  # an older switch, where the process has used contradicting newer ones
        return None


_DETERMINISTIC = (
    _Setting.of(torch.backends.cudnn, "deterministic", True),
    # cuDNN's trials of several algorithms may choose another one the next time.
    _Setting.of(torch.backends.cudnn, "benchmark", False),
    # As use_deterministic_algorithms(True), which would import torch's compiler.
    _Setting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, "error"),
)


def _tf32_settings(allowed: bool) -> Iterator[_Setting]:
    """Torch's switches of TF32, in the order in which they must be set.

    By default matrix products are without TF32, and cuDNN's convolutions with it. Torch 2.9 has
    switches by operation, which override the older ones. Both are set, because torch raises an
    error where they contradict each other. CPUs follow them as well: oneDNN can round the operands
    of fp32 products to bf16.
    """
    backends: Any = torch.backends  # some of it is built when it is asked for
    yield _Setting(
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "high" if allowed else "highest",
    )
    yield _Setting.of(backends.cudnn, "allow_tf32", allowed)
    if hasattr(backends, "fp32_precision"):
        matmul, cudnn, mkldnn = backends.cuda.matmul, backends.cudnn, backends.mkldnn
        for operation in (
            *(matmul, cudnn.conv, cudnn.rnn),
            *(mkldnn.matmul, mkldnn.conv, mkldnn.rnn),
        ):
            yield _Setting.of(operation, "fp32_precision", "tf32" if allowed else "ieee")


def prepare_process() -> None:
    """Let cuBLAS give the same bits every time, for trials that ask for it.

    cuBLAS reads the variable once, when CUDA starts in a process. The workspace takes up to 32 MiB
    of a GPU. Where CUDA has started without it, torch refuses to run a deterministic trial.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


class Hardware(NamedTuple):
    """What decides the last bits of a deterministic run, besides its settings."""

    device: str
    threads: int
    torch_version: str

    @classmethod
    def here(cls, device: torch.device, processes: int = 1) -> Hardware:
        """What this process, or several like it, compute on."""
        name = device_name(device)
        device_names = f"{processes} x {name}" if processes > 1 else name
        return cls(device_names, torch.get_num_threads(), str(torch.__version__))

    def __str__(self) -> str:
        plural = "" if self.threads == 1 else "s"
        return f"{self.device} ({self.threads} CPU thread{plural}, torch {self.torch_version})"


@cache
def device_name(device: torch.device) -> str:
    """Name of a GPU, or of this machine's processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
