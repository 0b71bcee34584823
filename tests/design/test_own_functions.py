"""The user's own functions as values of fields: names, digests, pickles, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superconv_ray.design.building import make_plan
from superconv_ray.design.definition import define
from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid
from superconv_ray.design.trial import CompleteTrial, Trial
from tests.design.made import base, error, ids, module_of, study, the_cell


def my_loss(outputs: Any, targets: Any) -> Any:
    return outputs - targets


def weighted(weight: Any) -> Callable[[Any, Any], Any]:
    def loss(outputs: Any, targets: Any) -> Any:
        return weight * my_loss(outputs, targets)

    return loss


class Holder:
    def method(self, outputs: Any, targets: Any) -> Any:
        return outputs - targets


def complete(**settings: Any) -> CompleteTrial:
    return Trial(data_count=100, max_lr=0.1, steps=200).complete(**settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": base(loss=my_loss)},
        {"arms": {"mine": Arm(loss=my_loss)}},
        {"sweep": grid(loss=(my_loss,))},
    ],
)
def test_a_function_may_stand_wherever_a_field_is_set(changes: dict[str, Any]) -> None:
    cell = the_cell(**changes)
    trial = cell.trainings[0]
    assert trial.loss == "my_loss"
    assert isinstance(trial.loss, OwnFunction)
    assert trial.loss.function is my_loss
    assert trial.loss_digest == trial.loss.digest
    assert make_plan(study(**changes)).functions == {("loss", "my_loss"): "my_loss"}


def test_its_row_holds_name_and_digest_as_plain_text() -> None:
    settings = json.loads(json.dumps(complete(loss=my_loss).settings()))
    assert (settings["loss"], len(settings["loss_digest"])) == ("my_loss", 16)


@pytest.mark.parametrize("edit", ["outputs - targets", "outputs + targets"])
def test_ids_change_with_the_source_of_a_function(tmp_path: Path, edit: str) -> None:
    source = "def loss(outputs, targets):\n    return "
    before = module_of(tmp_path / "own_loss_before.py", source + "outputs - targets").loss
    after = module_of(tmp_path / "own_loss_after.py", "\n\n" + source + edit).loss
    assert (complete(loss=before).id == complete(loss=after).id) == (edit == "outputs - targets")


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (1.0, 1.0, 2.0),
        ([1.0, 2.0], [1.0, 2.0], [2.0, 1.0]),
        ({"a": (1, None)}, {"a": (1, None)}, {"a": (2, None)}),
        (Path("folder"), Path("folder"), Path("other")),
    ],
)
def test_ids_change_with_the_plain_values_that_a_function_closes_over(
    one: Any, same: Any, other: Any
) -> None:
    assert complete(loss=weighted(one)).id == complete(loss=weighted(same)).id
    assert complete(loss=weighted(one)).id != complete(loss=weighted(other)).id


@pytest.mark.parametrize("held", [np.ones(2), [1.0, np.ones(2)]])
def test_a_function_that_closes_over_data_is_rejected(held: Any) -> None:
    with pytest.raises(ValueError, match=r"^'loss' uses the variable 'weight' .* a ndarray: only"):
        complete(loss=weighted(held))


def test_a_function_travels_with_its_digest() -> None:
    trial = complete(loss=my_loss)
    again = pickle.loads(pickle.dumps(trial))
    assert again == trial
    assert again.loss.function is my_loss
    assert "digest" in vars(pickle.loads(pickle.dumps(OwnFunction(my_loss))))


def test_naming_what_is_implied_gives_the_same_id() -> None:
    trial = complete()
    assert (trial.loss, trial.label_smoothing) == ("cross_entropy", 0.0)
    assert complete(loss="cross_entropy", label_smoothing=0).id == trial.id


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda outputs, targets: outputs - targets, "a lambda, which has no name"),
        (partial(my_loss, targets=0), r"functools.partial\(.*: define one that calls it"),
        (Holder().method, "<bound method .*: define one that calls it"),
        (len, "<built-in function len>: define one that calls it"),
    ],
)
def test_a_function_without_name_or_source_is_rejected(function: Any, found: str) -> None:
    with pytest.raises(TypeError, match=f"^loss must be a built-in name, .* got {found}"):
        Arm(loss=function)
    with pytest.raises(TypeError, match=f"^loss must be a built-in name, .* got {found}"):
        Trial(loss=function)
    with pytest.raises(TypeError, match=f"^grid: loss must be a built-in name, .* got {found}"):
        grid(loss=("cross_entropy", function))


def test_two_functions_of_one_name_are_rejected() -> None:
    arms = {"light": Arm(loss=weighted(0.5)), "heavy": Arm(loss=weighted(2.0))}
    assert error(arms=arms).startswith(
        "arm 'heavy': loss: two different functions are named 'loss'; rename one"
    )


def test_a_function_with_the_name_of_a_built_in_one_is_rejected() -> None:
    def cross_entropy(outputs: Any, targets: Any) -> Any:
        return outputs - targets

    assert error(base=base(), arms={"mine": Arm(loss=cross_entropy)}) == (
        "arm 'mine': loss: 'cross_entropy' is the name of a built-in one; rename yours"
    )


@pytest.mark.parametrize("field", ["dropout", "model", "milestones"])
def test_a_field_without_functions_rejects_them(field: str) -> None:
    assert error(arms={"mine": Arm(**{field: my_loss})}).startswith(
        f"arm 'mine': {field} must be of type "
    )


def test_a_digest_is_computed_and_cannot_be_set() -> None:
    with pytest.raises(ValueError, match=r"^loss_digest cannot be set, .* got '0123'$"):
        Trial(loss_digest="0123")
    assert error(arms={"mine": Arm(loss=my_loss, loss_digest="0123")}).endswith(
        "'loss_digest' cannot be set, it is computed from loss; got '0123'"
    )


def test_label_smoothing_is_of_cross_entropy_only() -> None:
    assert complete(loss=my_loss).label_smoothing is None
    assert error(arms={"mine": Arm(loss=my_loss, label_smoothing=0.1)}) == (
        "arm 'mine': 'label_smoothing' is set by the arm but not used with loss 'my_loss'"
    )


def test_a_definition_names_functions_and_tells_an_edited_one(tmp_path: Path) -> None:
    source = "def loss(outputs, targets):\n    return outputs"
    old, new = (
        define(make_plan(study(base=base(loss=module_of(tmp_path / f"{name}.py", text).loss))))
        for name, text in (("old_loss", source), ("new_loss", f"{source} + targets"))
    )
    assert old.base["loss"] == "loss"
    assert [*old.functions] == ["loss loss"]
    assert old.digest != new.digest
    assert new.difference(old) == ["functions: the source of loss loss changed"]
    assert not new.extends(old)


def test_a_study_without_functions_has_the_digest_that_it_had_before() -> None:
    assert ids(make_plan(study(base=base(loss="cross_entropy")))) == ids(make_plan(study()))
    assert define(make_plan(study())).functions == {}
