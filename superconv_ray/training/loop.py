"""The training loop: one trial from its settings to its curve and its outcome.

Every random number is a function of (seed, purpose, step), see `data.seeds`: a run that is cut off
and restored from `TrainingRun.state` goes on exactly as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from superconv_ray.data.batches import DeviceData
from superconv_ray.data.streaming import Load
from superconv_ray.design.evaluations import early_steps, row_steps
from superconv_ray.design.outcome import Outcome, Status
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training.evaluation import Evaluator, Scores
from superconv_ray.training.hessian_free import HessianFreeEstimate
from superconv_ray.training.losses import LIMIT_COUNT, Loss
from superconv_ray.training.metrics import measure_of
from superconv_ray.training.model import ModelSource, build_trial_model
from superconv_ray.training.numerics import Hardware, Numerics, resolve_precision
from superconv_ray.training.optimizers import (
    build_optimizer,
    evaluated_weights,
    set_rates,
    trainable,
)
from superconv_ray.training.randomness import own_randomness, seed_step
from superconv_ray.training.samples import Part, select_samples
from superconv_ray.training.team import Team, check_parts

CHECK_INTERVAL = 16
"""Steps between checks of the loss: each check makes the CPU wait for the GPU."""
PROGRESS = (
    *("step", "diverged", "curve", "correctness", "train_seconds", "eval_seconds"),
    *("_pending", "_pending_steps", "_window"),
)
"""Attributes of a run that its checkpoint holds, besides model and optimizer."""


class TrainingRun:
    """A trial in progress.

    Args:
        trial: Complete settings.
        data: The data set, for the device to train on.
        model: Name of a built-in model, or the user's own builder.
        team: The processes that train the trial together; without one, this process alone. Methods
            are collective, except that `outcome` and `state` are for the first process.

    Raises:
        ValueError, TypeError: The model cannot be built for this data set, or the device does not
            have the precision.
    """

    def __init__(
        self,
        trial: CompleteTrial,
        data: DeviceData,
        model: ModelSource,
        team: Team | None = None,
    ) -> None:
        self.trial = trial
        self._team = team or Team()
        check_parts([trial], self._team.size)
        self.device = data.train_inputs.device
        precision = resolve_precision(trial.precision, self.device)
        self._numerics = Numerics(self.device, precision, trial.deterministic)
        self._hardware = [Hardware.here(self.device, self._team.size)]
        self.step = 0
        self.diverged = False
        self.curve: list[dict[str, Any]] = []
        self.correctness: dict[str, Any] = {}  # which test samples are right, at the end
        self.train_seconds = self.eval_seconds = 0.0
        labels = data.train_labels
        self._has_classes = labels.ndim == 1
        outputs = int(labels.max()) + 1 if self._has_classes else labels.shape[1]
        self._samples = select_samples(trial, data, self._team)
        self._skipped = data.skipped
        self.model = build_trial_model(model, trial, data.train_inputs, outputs, self._team)
        self._replica = self._team.replica(self.model)
        self._optimizer = build_optimizer(trial, self.model)
        self._loss = Loss(trial)
        known = self._samples.probe.first(LIMIT_COUNT).targets()
        self._loss_limit = self._loss.limit(known, outputs)
        self._evaluator = Evaluator(self.model, self._samples, self._loss, measure_of(trial))
        self._hessian_free = (
            HessianFreeEstimate(trainable(self.model), trial.hessian_free_interval)
            if trial.hessian_free_interval
            else None
        )
        self._row_steps = row_steps(trial.steps, trial.eval_interval)
        self._early_steps = early_steps(trial.steps, trial.eval_interval)
        self._pending = torch.zeros(2, device=self.device)  # loss, correct since the last check
        self._pending_steps = 0
        self._window = [0.0, 0.0, 0]  # loss, correct, steps since the last curve row

    @property
    def finished(self) -> bool:
        """Whether the last step is done, or the run has diverged."""
        return self.diverged or self.step == self.trial.steps

    @property
    def load(self) -> Load | None:
        """What decoding took so far, earlier workers included; None where nothing is decoded."""
        return self._samples.batches.load

    def train(self, pause: Callable[[], bool] = lambda: False) -> None:
        """Train until the run is finished, or until `pause` returns True between two steps.

        A team pauses only at a check of the loss, when its first process says so.
        """
        schedule = self.trial.schedule()
        self.model.train()
        with self._own_state():
            started = time.perf_counter()
            while not self.finished:
                lr, momentum = schedule(self.step)
                set_rates(self._optimizer, lr, momentum)
                batch = self._samples.batches.batch(self.step)  # may draw from the same generators
                x, y = map(self._team.part, batch)
                seed_step(self.device, self.trial.seed, self.step, self._team.rank)  # for dropout
                with self._numerics.autocast():
                    logits = self._replica(x)
                    loss = self._loss.mean(logits, y)
                self._optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self._update_weights(lr)
                self._count(loss, logits, y)
                self.step += 1
                record = self.step in self._row_steps
                early = self.step in self._early_steps
                check = record or early or self.step % CHECK_INTERVAL == 0
                if check:
                    self._check_loss()
                    if record or self.diverged:
                        self.train_seconds += time.perf_counter() - started
                        self._record(lr, momentum)
                        started = time.perf_counter()
                if (check or self._team.size == 1) and self._team.decides(pause()):
                    break
            self._team.share_statistics(self.model)
            self.train_seconds += time.perf_counter() - started

    @contextlib.contextmanager
    def _own_state(self) -> Iterator[None]:
        """Compute with the run's own numerics and random numbers; leave the process as it was."""
        with own_randomness(self.device), self._numerics.applied():
            yield

    def _update_weights(self, lr: float) -> None:
        """The optimizer's step, watched if the trial asks for Hessian-free estimates."""
        if self._hessian_free is None:
            self._optimizer.step()
        else:
            with self._hessian_free.watch(self.step, lr):
                self._optimizer.step()

    def _count(self, loss: Tensor, logits: Tensor, y: Tensor) -> None:
        """Add to the sums on the device, without waiting for it."""
        with torch.no_grad():
            self._pending[0] += loss
            if self._has_classes:
                self._pending[1] += (logits.argmax(1) == y).sum()
        self._pending_steps += 1

    def _check_loss(self) -> None:
        """Fetch the sums from the device, and decide whether the run has diverged."""
        loss, correct = self._team.total(self._pending).tolist()
        loss /= self._team.size  # each process has added its mean
        mean = loss / self._pending_steps
        self.diverged = not mean <= self._loss_limit  # True for NaN
        self._window[0] += loss
        self._window[1] += correct
        self._window[2] += self._pending_steps
        self._pending.zero_()
        self._pending_steps = 0

    def _record(self, lr: float, momentum: float) -> None:
        """Let the first process append a curve row, and decide whether the run has diverged."""
        self._team.share_statistics(self.model)
        if self._team.rank == 0:
            self._append_row(lr, momentum)
        self._window = [0.0, 0.0, 0]
        self.diverged = self._team.decides(self.diverged)

    def _append_row(self, lr: float, momentum: float) -> None:
        """Append a curve row; the last row of a run evaluates every held-out sample."""
        started = time.perf_counter()
        loss, correct, steps = self._window
        batch = self.trial.batch_size
        count = None if self.finished else self.trial.eval_count
        part = self._samples.held_out.first(count)
        scores = self._scores(part, count)
        # The loss was computed before the step, which may have ruined the weights.
        if not math.isfinite(scores.running.loss):
            self.diverged = True
            if count is not None or self._evaluator.measure:  # this has become the last row
                part = self._samples.held_out
                scores = self._scores(part, None)
        if self.finished and self._samples.held_out_name == "test":
            self.correctness = scores.correctness(part)
        self.curve.append(
            {
                "step": self.step,
                "samples": self.step * batch,
                "epoch": self.step * batch / self._samples.training_count,
                "lr": lr,
                "momentum": momentum,
                "train_loss": loss / steps,
                **({"train_accuracy": correct / (steps * batch)} if self._has_classes else {}),
                **scores.columns(self._samples.held_out_name),
                "eval_count": len(part.indices),
                **self._hessian_free_columns(),
                "train_seconds": self.train_seconds,
            }
        )
        self.eval_seconds += time.perf_counter() - started

    def _scores(self, part: Part, probe_count: int | None) -> Scores:
        with self._numerics.autocast(), evaluated_weights(self._optimizer) as are_others:
            # Running BN statistics are of the weights that are trained.
            return self._evaluator.scores(
                part, probe_count, only_reestimated=are_others, diverged=self.diverged
            )

    def _hessian_free_columns(self) -> dict[str, float]:
        if self._hessian_free is None:
            return {}
        return {
            "hessian_free_lr": self._hessian_free.latest,
            "hessian_free_lr_smoothed": self._hessian_free.smoothed,
        }

    def outcome(self) -> Outcome:
        """Measurements of a finished run; the last curve row is its evaluation at the end."""
        started = time.perf_counter()
        status: Status = "diverged" if self.diverged else "completed"
        with self._own_state():
            # Some models draw random numbers at test time as well.
            seed_step(self.device, self.trial.seed, self.step)
            train = self._scores(self._samples.probe, None)
            sharp = self._sharpness() if self.trial.sharpness and not self.diverged else {}
        self.eval_seconds += time.perf_counter() - started
        measurements = {
            "steps_done": self.step,
            **train.columns("train"),
            **{k: v for k, v in self.curve[-1].items() if k.startswith(("validation", "test"))},
            **self.correctness,
            **sharp,
            "parameters": sum(p.numel() for p in trainable(self.model)),
            "precision_used": self._numerics.precision,
            **self._hardware_columns(),
            **self._data_columns(),
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
        }
        return Outcome(status, measurements)

    def _sharpness(self) -> dict[str, float]:
        """Curvatures of the training loss."""
        with evaluated_weights(self._optimizer) as are_others:
            return self._evaluator.sharpness(only_reestimated=are_others)

    def _hardware_columns(self) -> dict[str, Any]:
        """What the whole run computed on, also if it was moved."""
        devices, threads, versions = (
            tuple(dict.fromkeys(c)) for c in zip(*self._hardware, strict=True)
        )
        return {
            "device": " + ".join(devices),
            "threads": threads[0] if len(threads) == 1 else None,
            "torch_version": " + ".join(versions),
        }

    def _data_columns(self) -> dict[str, float]:
        """What reading image files meant for the run."""
        columns: dict[str, float] = {}
        if self._skipped is not None:
            columns["skipped_files"] = self._skipped
        if self.load:
            columns["data_wait_seconds"] = self.load.waited_seconds
            columns["decode_seconds"] = self.load.decode_seconds
        return columns

    def state(self) -> bytes:
        """Everything needed to continue later, on such hardware to the same numbers."""
        buffer = io.BytesIO()
        state = {
            "trial_id": self.trial.id,  # says as well whether the run is deterministic
            "precision": self._numerics.precision,
            "hardware": [list(part) for part in self._hardware],
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "progress": {name: getattr(self, name) for name in PROGRESS},
            "hessian_free": self._hessian_free.state() if self._hessian_free else None,
            "load": [self.load.waited_seconds, self.load.decode_seconds] if self.load else None,
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, content: bytes) -> str | None:
        """Continue from a `state` of the same trial, in the precision that it began with.

        Returns:
            If the hardware is not what the run was on before: both, in words.

        Raises:
            ValueError: The state is of another trial, does not fit the model, or is unreadable; or
                a deterministic run was on other hardware, where bits would differ.
        """
        try:
            state = torch.load(io.BytesIO(content), map_location=self.device, weights_only=True)
            if state["trial_id"] != self.trial.id:
                raise ValueError(f"it is of trial {state['trial_id']}")
            hardware = [Hardware(*part) for part in state["hardware"]]
            moved = hardware[-1] != self._hardware[0]
            move = f"it was on {hardware[-1]} and is on {self._hardware[0]} now"
            if moved and self.trial.deterministic:
                raise ValueError(f"deterministic=True, but {move}")
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            for name in PROGRESS:
                setattr(self, name, state["progress"][name])
            if self._hessian_free:
                self._hessian_free.restore(state["hessian_free"])
            if self.load and state["load"]:  # the data may fit this device, and not the other one
                self.load.waited_seconds, self.load.decode_seconds = state["load"]
            self._numerics = replace(self._numerics, precision=state["precision"])
            self._hardware = hardware + (self._hardware if moved else [])
        except Exception as error:
            raise ValueError(
                f"checkpoint of trial {self.trial.id} cannot be restored: {error!r}"
            ) from None
        return f"{move}; it continues in {state['precision']}" if moved else None
