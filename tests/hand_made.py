"""A study in a store whose results are given instead of being computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from superconv_ray.design.definition import CellDefinition, Provenance, StudyDefinition
from superconv_ray.design.outcome import Outcome, Status
from superconv_ray.design.trial import Trial
from superconv_ray.report.study_results import StudyResults
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter

NAME = "hand_made"
TRAINING_CURVE = ({"step": 100},)


def range_test_curve(peak: int) -> list[dict[str, Any]]:
    """Ten points of a range test, at rates 0.1 to 1; accuracy is highest at one of them."""
    return [
        {
            "step": 10 * point,
            "lr": point / 10,
            "train_loss": 1.0,
            "validation_loss": 1.0,
            "validation_accuracy": 0.9 - 0.05 * abs(point - peak),
            "validation_accuracy_reestimated": 0.9 - 0.05 * abs(point - peak),
        }
        for point in range(1, 11)
    ]


class HandMade:
    """A study whose trainings are given with their accuracies instead of being run."""

    def __init__(self, store: Store, arms: tuple[str, ...], *points: dict[str, Any]) -> None:
        self.question = "Which arm is better?"
        self.store = store
        self.arms = arms
        self.points = list(points) or [{}]
        self.cells = [
            CellDefinition(number, arm, point)
            for number, (point, arm) in enumerate((p, a) for p in self.points for a in arms)
        ]
        self.seeds = [0, 1, 2]
        self.further_seeds: dict[str, Any] | None = None
        self.to_come = 0
        self.margin: float | None = None
        self._members: list[dict[str, Any]] = []

    def add(
        self,
        arm: str,
        accuracy: float,
        *,
        seed: int = 0,
        point: int = 0,
        role: str = "training",
        status: Status = "completed",
        measured: dict[str, Any] | None = None,
        curve: Iterable[Mapping[str, Any]] | None = None,
        chosen: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """A finished trial; its arm tells it from that of others by its max_lr."""
        if curve is None:
            curve = range_test_curve(5) if role == "range_test" else TRAINING_CURVE
        trial = Trial(
            **{
                "steps": 100,
                "max_lr": 0.1 * (1 + self.arms.index(arm)),
                "data_count": 72,
                "seed": seed,
                **({"policy": "range_test_linear"} if role == "range_test" else {}),
                **settings,
            }
        ).complete()
        measurements = {
            "steps_done": 100 if status == "completed" else 40,
            "test_accuracy": accuracy,
            "device": "some CPU",
            "precision_used": "fp32",
            "train_seconds": 1.5,
            "eval_seconds": 0.5,
        }
        StoreWriter(self.store).write_result(
            trial, Outcome(status, measurements | (measured or {})), curve
        )
        cell = next(
            cell.cell for cell in self.cells if cell.arm == arm and cell.point == self.points[point]
        )
        member = {"trial_id": trial.id, "arm": arm, "cell": cell, "role": role}
        self._members.append({**member, **(chosen or {})})

    def results(self) -> StudyResults:
        """The study as it is in the store by now."""
        definition = StudyDefinition(
            name=NAME,
            question=self.question,
            arms={arm: {"policy": arm} for arm in self.arms},
            sweep=self.points,
            cells=self.cells,
            budget={"iterations": 100},
            seeds=self.seeds,
            further_seeds=self.further_seeds,
            margin=self.margin,
            trials=len({member["trial_id"] for member in self._members}) + self.to_come,
            provenance=Provenance(
                command="studies/hand_made.py run",
                commit="0123abc",
                python="3.11.7",
                machine="Linux x86_64, 2 CPUs",
                written_at="2026-11-22T07:07:33+00:00",
            ),
        )
        StoreWriter(self.store).write_study(definition, self._members)
        return StudyResults(self.store, NAME)
