"""The other processes of a trial that several train together, as its first process sees them."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Protocol

from superconv_ray.data.images import IMAGE_ERRORS
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.tracebacks import user_traceback
from superconv_ray.training.team import Team

_CONNECTION = re.compile(r"gloo|NCCL|DistBackendError|DistNetworkError|torch\.distributed")


class LostPeerError(RuntimeError):
    """A process of the trial died, or its node. The trial is to start again."""


@dataclass(frozen=True)
class Failure:
    """An exception in a trial.

    Attributes:
        in_full: Its whole traceback.
        shown: The part of it that is the user's.
    """

    in_full: str
    shown: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception."""
        in_full = "".join(traceback.format_exception(error)).strip()
        shown = str(error) if isinstance(error, IMAGE_ERRORS) else user_traceback(error)
        return cls(in_full, shown)

    @property
    def follows(self) -> bool:
        """Whether it may only say that another process has left."""
        return bool(_CONNECTION.search(self.in_full))


class Peers(Protocol):
    """The other processes; they follow the first one."""

    def begin(self, trial: CompleteTrial, state: bytes | None) -> Team:
        """Let them build a trial's run, and return the team, in which this process must do so, too.

        Raises:
            LostPeerError: A process cannot be started.
        """
        ...

    def train(self) -> None:
        """Let them train until this process, which must train as well, pauses."""
        ...

    def disband(self, failure: Failure) -> Failure:
        """End them after an exception in this process, and return the failure that came first.

        Raises:
            LostPeerError: One of them died.
        """
        ...
