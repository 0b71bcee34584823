"""Which floating-point precision a trial trains in."""

from __future__ import annotations

import torch


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return what "auto" means on a device: bf16 autocast if the hardware is fast at it, else fp32.

    Fast are GPUs with native bf16, and CPUs with AMX or AVX512-BF16 instructions.
    """
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


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a model computes; `precision` is "bf16" or "fp32"."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
