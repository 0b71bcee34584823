"""The training loop: one trial from its settings to its curve and its outcome.

Every random number is a function of (seed, purpose, step), see `data.seeds`: a run that is cut off
and restored from `TrainingRun.state` goes on exactly as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from superconv_ray.data.batches import (
    ResidentDataset,
    TrainingBatches,
    input_statistics,
    prepare,
)
from superconv_ray.data.catalog import Augment, DatasetFacts
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.seeds import derive_seed
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.outcome import Outcome, Status
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.models import build_model
from superconv_ray.models.ghost_batch_norm import with_ghost_batches
from superconv_ray.training.hessian_free import HessianFreeEstimate

DIVERGENCE_FACTOR = 10.0
"""A run has diverged when its loss is not finite, or this many times that of guessing, ln C."""
CHECK_INTERVAL = 16
"""Steps between looks at the loss: each makes a GPU wait."""
PROBE_COUNT = 10_000
"""Most training samples that are evaluated at the end, or that BN statistics are estimated on."""
EVAL_BATCH = 1_000

ModelSource = str | Callable[..., nn.Module]


class TrainingRun:
    """A trial in progress.

    Args:
        trial: Complete settings.
        data: The data set's tensors, on the device to train on.
        model: Name of a built-in model, or the user's own builder.

    Raises:
        ValueError, TypeError: The model cannot be built for this data set.
    """

    def __init__(self, trial: CompleteTrial, data: ResidentDataset, model: ModelSource) -> None:
        self.trial = trial
        self.device = data.train_inputs.device
        self.precision = resolve_precision(trial.precision, self.device)
        self.curve: list[dict[str, Any]] = []
        self.step = 0
        self.diverged = False
        self._data = data
        self._classes = int(data.train_labels.max()) + 1
        self._select_samples()
        self.model = self._build(model)
        self._optimizer = build_optimizer(self.trial, self.model)
        interval = self.trial.hessian_free_interval
        self._hessian_free = (
            HessianFreeEstimate(_trainable(self.model), interval) if interval else None
        )
        self._row_steps = row_steps(self._steps, self.trial.eval_interval)
        self._pending = torch.zeros(2, device=self.device)  # loss, correct since the last look
        self._pending_steps = 0
        self._window = [0.0, 0.0, 0]  # loss, correct, steps since the last curve row
        self.train_seconds = 0.0
        self.eval_seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last step is done, or the run has diverged."""
        return self.diverged or self.step == self._steps

    def train(self, pause: Callable[[], bool] = lambda: False) -> None:
        """Train until the run is finished, or until `pause` says so between two steps."""
        schedule = self.trial.schedule()
        self.model.train()
        with _own_randomness(self.device):
            started = time.perf_counter()
            while not self.finished:
                lr, momentum = schedule(self.step)
                set_rates(self._optimizer, lr, momentum)
                self._seed_step()
                x, y = self._batches.batch(self.step)
                with self._autocast():
                    logits = self.model(x)
                    loss = F.cross_entropy(logits, y)
                self._optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self._update_weights(lr)
                self._count(loss, logits, y)
                self.step += 1
                record = self.step in self._row_steps
                if record or self.step % CHECK_INTERVAL == 0:
                    self._look_at_loss()
                    if record or self.diverged:
                        self.train_seconds += time.perf_counter() - started
                        self._record(lr, momentum)
                        started = time.perf_counter()
                if pause():
                    break
            self.train_seconds += time.perf_counter() - started

    def outcome(self) -> Outcome:
        """Measurements of a finished run; the last curve row is its evaluation at the end."""
        started = time.perf_counter()
        status: Status = "diverged" if self.diverged else "completed"
        with _own_randomness(self.device):
            self._seed_step()  # for models that draw random numbers at test time as well
            train_loss, train_accuracy, reestimated = self._evaluate_both(
                (self._data.train_inputs, self._data.train_labels), self._probe, None
            )
        self.eval_seconds += time.perf_counter() - started
        measurements = {
            "steps_done": self.step,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "train_accuracy_reestimated": reestimated,
            **{k: v for k, v in self.curve[-1].items() if k.startswith(("validation", "test"))},
            "parameters": sum(p.numel() for p in _trainable(self.model)),
            "precision_used": self.precision,
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
        }
        return Outcome(status, measurements)

    def state(self) -> bytes:
        """All that is needed to go on later, elsewhere, to the same numbers."""
        buffer = io.BytesIO()
        state = {
            "trial_id": self.trial.id,
            "step": self.step,
            "diverged": self.diverged,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "pending": self._pending,
            "pending_steps": self._pending_steps,
            "window": self._window,
            "curve": self.curve,
            "hessian_free": self._hessian_free.state() if self._hessian_free else None,
            "seconds": [self.train_seconds, self.eval_seconds],
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, content: bytes) -> None:
        """Take up a state of the same trial.

        Raises:
            ValueError: The state is of another trial or does not fit the model, or is unreadable.
        """
        try:
            state = torch.load(io.BytesIO(content), map_location=self.device, weights_only=True)
            if state["trial_id"] != self.trial.id:
                raise ValueError(f"it is of trial {state['trial_id']}")
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step, self.diverged = state["step"], state["diverged"]
            self._pending, self._pending_steps = state["pending"], state["pending_steps"]
            self._window, self.curve = state["window"], state["curve"]
            if self._hessian_free:
                self._hessian_free.restore(state["hessian_free"])
            self.train_seconds, self.eval_seconds = state["seconds"]
        except Exception as error:
            raise ValueError(
                f"checkpoint of trial {self.trial.id} cannot be restored: {error!r}"
            ) from None

    # Setting up

    def _select_samples(self) -> None:
        """Draw the limited labels, and standardise by what is known of the training part alone."""
        trial, data = self.trial, self._data
        subset = limited_subset(
            data.train_labels.cpu().numpy(),
            count=trial.data_count,
            seed=trial.subset_seed,
            validation_fraction=trial.validation_fraction,
        )
        training = torch.from_numpy(subset.training).to(self.device)
        self._probe = training[:PROBE_COUNT]
        self._training_count = len(training)
        self._statistics = input_statistics(data.train_inputs, training)
        self._batches = TrainingBatches(
            data.train_inputs,
            data.train_labels,
            training,
            batch_size=trial.batch_size,
            seed=trial.seed,
            augment=cast("Augment", trial.augment),
            statistics=self._statistics,
        )
        if trial.validation_fraction:
            self._held_out = (data.train_inputs, data.train_labels)
            order = subset.validation
        else:
            self._held_out = (data.test_inputs, data.test_labels)
            labels = data.test_labels.cpu().numpy()
            # In stratified order, so that a curve row may look at the first few alone.
            order = limited_subset(
                labels, count=len(labels), seed=0, validation_fraction=0.0
            ).training
        self._held_out_order = torch.from_numpy(order).to(self.device)

    def _build(self, source: ModelSource) -> nn.Module:
        shape = self._data.train_inputs.shape[1:]
        with _own_randomness(self.device):
            torch.manual_seed(derive_seed(self.trial.seed, "initial weights", 0))
            model = build_model(
                source,
                input_shape=(shape[2], shape[0], shape[1]) if len(shape) == 3 else tuple(shape),
                classes=self._classes,
                dropout=self.trial.dropout,
            )
        if self.trial.ghost_batch_size:
            model = with_ghost_batches(model, self.trial.ghost_batch_size)
        for module in _batch_norms(model):
            module.momentum = self.trial.bn_momentum
        return model.to(self.device).to(memory_format=torch.channels_last)

    @property
    def _steps(self) -> int:
        return self.trial.steps

    # In a step

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def _seed_step(self) -> None:
        """Dropout draws from the device's default generator; make that a function of the step."""
        seed = derive_seed(self.trial.seed, "step", self.step)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _update_weights(self, lr: float) -> None:
        """The optimiser's step, watched where the trial asks for Hessian-free estimates."""
        if self._hessian_free is None:
            self._optimizer.step()
        else:
            with self._hessian_free.watch(self.step, lr):
                self._optimizer.step()

    def _count(self, loss: Tensor, logits: Tensor, y: Tensor) -> None:
        """Add to the sums on the device, without waiting for it."""
        with torch.no_grad():
            self._pending[0] += loss
            self._pending[1] += (logits.argmax(1) == y).sum()
        self._pending_steps += 1

    def _look_at_loss(self) -> None:
        loss, correct = self._pending.tolist()
        mean = loss / self._pending_steps
        self.diverged = not mean <= DIVERGENCE_FACTOR * math.log(self._classes)  # True for NaN
        self._window[0] += loss
        self._window[1] += correct
        self._window[2] += self._pending_steps
        self._pending.zero_()
        self._pending_steps = 0

    # Measuring

    def _record(self, lr: float, momentum: float) -> None:
        """Append a curve row; the last one of a run evaluates every held-out sample."""
        started = time.perf_counter()
        loss, correct, steps = self._window
        self._window = [0.0, 0.0, 0]
        batch = self.trial.batch_size
        count = None if self.finished else self.trial.eval_count
        evaluated = self._held_out_order[:count]
        loss_now, accuracy, reestimated = self._evaluate_both(self._held_out, evaluated, count)
        part = "validation" if self.trial.validation_fraction else "test"
        # The step just done may have ruined what the loss, computed before it, still showed whole.
        self.diverged |= not math.isfinite(loss_now)
        self.curve.append(
            {
                "step": self.step,
                "samples": self.step * batch,
                "epoch": self.step * batch / self._training_count,
                "lr": lr,
                "momentum": momentum,
                "train_loss": loss / steps,
                "train_accuracy": correct / (steps * batch),
                f"{part}_loss": loss_now,
                f"{part}_accuracy": accuracy,
                f"{part}_accuracy_reestimated": reestimated,
                "eval_count": len(evaluated),
                **self._hessian_free_columns(),
                "train_seconds": self.train_seconds,
            }
        )
        self.eval_seconds += time.perf_counter() - started

    def _hessian_free_columns(self) -> dict[str, float]:
        if self._hessian_free is None:
            return {}
        return {
            "hessian_free_lr": self._hessian_free.latest,
            "hessian_free_lr_smoothed": self._hessian_free.smoothed,
        }

    def _evaluate_both(
        self, samples: tuple[Tensor, Tensor], indices: Tensor, count: int | None
    ) -> tuple[float, float, float]:
        """Loss and accuracy with BN's running statistics, and accuracy with re-estimated ones.

        Args:
            samples: Inputs and labels.
            indices: Which of them.
            count: Training samples to re-estimate statistics on; None: as many as there may be.
        """
        loss, accuracy = self._evaluate(*samples, indices)
        reestimated = accuracy
        with self._reestimated_statistics(count) as has_statistics:
            if has_statistics:
                _, reestimated = self._evaluate(*samples, indices)
        return loss, accuracy, reestimated

    def _evaluate(self, inputs: Tensor, labels: Tensor, indices: Tensor) -> tuple[float, float]:
        """Mean cross-entropy and accuracy, the model as at test time; it is left training."""
        self.model.eval()
        total = torch.zeros(2, dtype=torch.float64)
        for part in torch.split(indices, EVAL_BATCH):
            logits = self._forward(inputs, part)
            y = labels.index_select(0, part)
            total[0] += F.cross_entropy(logits, y, reduction="sum").cpu()
            total[1] += (logits.argmax(1) == y).sum().cpu()
        self.model.train()
        loss, accuracy = (total / len(indices)).tolist()
        return loss, accuracy

    @torch.no_grad()
    def _forward(self, inputs: Tensor, indices: Tensor) -> Tensor:
        with self._autocast():
            logits = self.model(prepare(inputs.index_select(0, indices), self._statistics))
        return cast("Tensor", logits.float())

    @contextlib.contextmanager
    def _reestimated_statistics(self, count: int | None) -> Iterator[bool]:
        """Inside, BN uses plain averages over `count` training samples, not its running ones.

        Stale running statistics, not poor generalisation, can be what a test accuracy shows: see
        the published limited-data baseline. Yields False if the model has none.
        """
        norms = [module for module in _batch_norms(self.model) if module.track_running_stats]
        kept = [{k: v.clone() for k, v in module.state_dict().items()} for module in norms]
        self.model.eval()  # dropout stays off
        for module in norms:
            module.reset_running_stats()
            module.momentum = None  # a plain average over batches
            module.train()
        if norms:
            probe = self._probe[:count]
            for part in probe.chunk(math.ceil(len(probe) / EVAL_BATCH)):
                self._forward(self._data.train_inputs, part)
        yield bool(norms)
        for module, state in zip(norms, kept, strict=True):
            module.load_state_dict(state)
            module.momentum = self.trial.bn_momentum
        self.model.train()


def check_model(source: ModelSource, dataset: Dataset | DatasetFacts, dropout: float) -> None:
    """Build a model for a data set and show it two test inputs.

    Raises:
        ValueError: It has nothing to train, or its logits are not [n, classes].
        Exception: Whatever the user's own code raises.
    """
    classes = dataset.classes
    with _own_randomness(torch.device("cpu")), torch.no_grad():
        model = build_model(
            source, input_shape=dataset.input_shape, classes=classes, dropout=dropout
        ).eval()
        shape = tuple(model(torch.zeros(2, *dataset.input_shape)).shape)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"model must have parameters to train, {source!r} has none")
    if shape != (2, classes):
        raise ValueError(
            f"model must give logits [n, {classes}] for inputs [n, "
            f"{', '.join(map(str, dataset.input_shape))}], {source!r} gives {list(shape)} for n=2"
        )


def resolve_precision(precision: str, device: torch.device) -> str:
    """What "auto" means on a device: bf16 autocast where the hardware is fast at it, else fp32.

    That is CUDA with native bf16, and CPUs with AMX or AVX512-BF16 instructions.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        fast = bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
    else:
        fast = False
    return "bf16" if fast else "fp32"


@cache
def _eager(rule: type[Any]) -> Callable[..., torch.optim.Optimizer]:
    """An optimizer of torch's without what hides its methods from torch.compile.

    That imports torch's compiler, which takes longer than the first training steps: 1.1 s of 1.4 s.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods = {name: inspect.unwrap(getattr(rule, name)) for name in names}
    return type(rule.__name__, (rule,), methods | {"step": torch.no_grad()(methods["step"])})


def build_optimizer(trial: CompleteTrial, model: nn.Module) -> torch.optim.Optimizer:
    """The trial's update rule over a model's parameters; its rates are set before every step."""
    parameters = _trainable(model)
    spared = [p for p in parameters if trial.weight_decay_on == "weights" and p.ndim < 2]
    decayed = [p for p in parameters if not any(p is other for other in spared)]
    groups = [
        {"params": decayed, "weight_decay": trial.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    momentum = trial.momentum
    fused = parameters[0].device.type in ("cpu", "cuda")
    if trial.optimizer in ("sgd", "nesterov"):
        nesterov = trial.optimizer == "nesterov"
        return _eager(torch.optim.SGD)(
            groups, lr=0.0, momentum=momentum, nesterov=nesterov, fused=fused
        )
    rule = torch.optim.AdamW if trial.optimizer == "adamw" else torch.optim.Adam
    return _eager(rule)(groups, lr=0.0, betas=(momentum, cast("float", trial.beta2)), fused=fused)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, momentum: float) -> None:
    """Set learning rate and momentum; for Adam, momentum is the first of its two betas."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            # At exactly 0 torch's SGD leaves its buffer as it is, stale for the step after.
            group["momentum"] = momentum or sys.float_info.min


def row_steps(steps: int, interval: int) -> frozenset[int]:
    """After how many steps a curve row is due: 1, 2, 4, ... up to interval, then at each interval.

    The last step always is.
    """
    early = {2**k for k in range(interval.bit_length()) if 2**k < min(interval, steps)}
    return frozenset(early | set(range(interval, steps, interval)) | {steps})


def _trainable(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _batch_norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@contextlib.contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Inside, default generators may be seeded; outside, the caller's are as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
