"""What a user sees of an exception that their code raised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from superconv_ray.execution.tracebacks import user_traceback
from superconv_ray.models import build_model


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(x)

    def scaled(self, x: Tensor) -> Tensor:
        raise RuntimeError(f"no luck with {len(x)} samples")


class Misfit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        try:
            logits: Tensor = self.linear(x)
        except RuntimeError as error:
            raise ValueError("the input does not fit") from error
        return logits


def raised_by(model: nn.Module) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        model(torch.zeros(4, 1))
    return user_traceback(caught.value)


def frames(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("  File ")]
    return [line.rpartition(", in ")[2] for line in lines if "test_tracebacks" in line] + [
        line for line in lines if "test_tracebacks" not in line
    ]


def test_only_the_users_own_frames_are_shown() -> None:
    text = raised_by(Broken())
    assert text.startswith("Traceback (most recent call last):\n")
    assert frames(text) == ["raised_by", "forward", "scaled"]
    assert 'raise RuntimeError(f"no luck with {len(x)} samples")' in text
    assert text.endswith("\nRuntimeError: no luck with 4 samples")


def test_what_torch_raises_is_shown_at_the_users_line() -> None:
    text = raised_by(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))
    assert frames(text) == ["raised_by"]
    assert text.splitlines()[-1].startswith("RuntimeError: mat1 and mat2 shapes cannot be")


def test_the_cause_of_an_exception_is_shown_in_the_same_way() -> None:
    text = raised_by(Misfit())
    assert frames(text) == ["forward", "raised_by", "forward"]
    assert "mat1 and mat2 shapes cannot be" in text
    assert text.endswith("ValueError: the input does not fit")


def test_an_error_without_a_frame_of_the_users_is_shown_whole() -> None:
    error: BaseException
    try:
        build_model("lenet", input_shape=(1, 2, 2), classes=10, dropout=0.0)
    except Exception as caught:
        error = caught
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    assert "build_model" in frames(user_traceback(error))[0]


def test_a_syntax_error_points_at_the_line_alone() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("def study(:\n", "study.py", "exec")
    caught.value.__traceback__ = None
    text = user_traceback(caught.value)
    assert 'File "study.py", line 1' in text
    assert text.splitlines()[-1].startswith("SyntaxError: ")
