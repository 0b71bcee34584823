from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from superconv_ray import Arm, Study, Trial, epochs, from_range_test, grid, iterations, tuned
from superconv_ray.design.budget import seconds
from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import Tuning
from superconv_ray.design.definition import Provenance, StudyDefinition, define, readable
from superconv_ray.design.seeds import at_least

STUDY = Study(
    name="small",
    question="Which?",
    base=Trial(batch_size=64),
    sweep=grid(data_fraction=(0.1, 1.0)),
    arms={"one_cycle": Arm(max_lr=0.1), "cosine": Arm(policy="cosine", max_lr=0.1)},
    budget=iterations(100),
)


def defined(study: Study = STUDY, **changes: Any) -> StudyDefinition:
    return define(make_plan(replace(study, **changes)))


def arms(**changes: Arm) -> dict[str, Arm]:
    return {**STUDY.arms, **changes}


# What it holds


def test_a_definition_with_another_digest_than_its_content_gives_is_refused() -> None:
    content = defined().to_json() | {"digest": "0" * 16}
    with pytest.raises(ValueError, match="digest is '0000000000000000' where its content gives"):
        StudyDefinition.from_json(content)


def test_a_definition_comes_back_from_json_as_it_was() -> None:
    provenance = Provenance(python="3.11.7", commit="0123abc", command="small.py run")
    searched = arms(tuned=Arm(max_lr=tuned(0.01, 1)), found=Arm(max_lr=from_range_test()))
    study = replace(
        STUDY, arms=searched, budget=seconds(60, {64: 0.01}), seeds=at_least(2, up_to=4)
    )
    definition = define(make_plan(study), trials=7, provenance=provenance)
    text = json.dumps(definition.to_json())
    assert StudyDefinition.from_json(json.loads(text)) == definition


def test_settings_are_readable() -> None:
    assert readable(iterations(500)) == {"iterations": 500}
    assert readable(epochs(2.5)) == {"epochs": 2.5}
    assert readable(seconds(60, {64: 0.01})) == {"seconds": 60, "step_seconds": {"64": 0.01}}
    assert readable(tuned(0.01, 10)) == {"tuned": {"low": 0.01, "high": 10, "log": True}}
    test = readable(from_range_test(high=2.0, steps=300))
    assert test["from_range_test"]["high"] == 2.0
    assert test["from_range_test"]["steps"] == 300
    assert readable({"data_count": np.int64(5), "milestones": (0.5, 0.75)}) == {
        "data_count": 5,
        "milestones": [0.5, 0.75],
    }


def test_the_cells_are_every_arm_at_every_point_in_the_order_of_the_plan() -> None:
    cells = [(c.cell, c.arm, c.point) for c in defined().cells]
    assert cells == [
        (0, "one_cycle", {"data_fraction": 0.1}),
        (1, "cosine", {"data_fraction": 0.1}),
        (2, "one_cycle", {"data_fraction": 1.0}),
        (3, "cosine", {"data_fraction": 1.0}),
    ]


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_an_unknown_version_is_refused(version: object) -> None:
    content = {**defined().to_json(), "version": version}
    with pytest.raises(ValueError, match=f"reads study definitions of version 1, got .*{version}"):
        StudyDefinition.from_json(content)


def test_what_is_no_definition_is_refused() -> None:
    damaged: list[Any] = [[], {"version": 1}, {"version": 1, "name": "a", "cells": [3]}]
    for content in damaged:
        with pytest.raises(ValueError, match="definition"):
            StudyDefinition.from_json(content)


# What it asks


def test_the_digest_is_not_of_the_name_the_words_or_the_place() -> None:
    definition = defined()
    assert len(definition.digest) == 16
    assert replace(definition, name="other").digest == definition.digest
    assert replace(definition, question="What?").digest == definition.digest
    assert replace(definition, trials=99).digest == definition.digest
    moved = replace(definition, provenance=Provenance(machine="another"))
    assert moved.digest == definition.digest


def test_order_and_spelling_of_numbers_do_not_matter() -> None:
    definition = defined()
    backwards = dict(reversed(list(STUDY.arms.items())))
    same = defined(arms=backwards, sweep=grid(data_fraction=(1, 0.1)), seeds=[2, 1, 0])
    assert same.digest == definition.digest
    assert same.difference(definition) == []


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"base": Trial(batch_size=32)}, ["base: batch_size was 64, is 32"]),
        ({"base": Trial(batch_size=64, ghost_batch_size=32)},
         ["base: ghost_batch_size was not set, is 32"]),
        ({"arms": arms(one_cycle=Arm(max_lr=0.2))}, ["arms: one_cycle.max_lr was 0.1, is 0.2"]),
        ({"arms": arms(one_cycle=Arm(max_lr=tuned(0.01, 1)))},
         ["arms: one_cycle.max_lr was 0.1, is tuned(low=0.01, high=1, log=True)",
          "tuning: adds a search"]),
        ({"arms": {"one_cycle": Arm(max_lr=0.1)}}, ["arms: removes cosine"]),
        ({"sweep": grid(data_fraction=(0.1,))}, ["sweep: removes data_fraction=1"]),
        ({"sweep": grid()}, ["sweep: adds the point without settings of its own",
                             "sweep: removes data_fraction=0.1, data_fraction=1"]),
        ({"budget": iterations(1234567)}, ["budget: was iterations(100), is iterations(1234567)"]),
        ({"budget": epochs(1.2345678)}, ["budget: was iterations(100), is epochs(1.2345678)"]),
        ({"margin": 0.01}, ["margin: was not set, is 0.01"]),
        ({"seeds": 2}, ["seeds: removes 2"]),
        ({"seeds": at_least(2, up_to=3)}, ["seeds: at_least was not set, is 2"]),
    ],
)  # fmt: skip
def test_what_alters_the_question_is_named(changes: dict[str, Any], lines: list[str]) -> None:
    earlier, definition = defined(), defined(**changes)
    assert definition.digest != earlier.digest
    assert definition.difference(earlier) == lines
    assert not definition.extends(earlier)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"arms": arms(linear=Arm(policy="linear", max_lr=0.1))}, "arms: adds linear"),
        ({"sweep": grid(data_fraction=(0.1, 0.5, 1.0))}, "sweep: adds data_fraction=0.5"),
        ({"seeds": 5}, "seeds: adds 3, 4"),
    ],
)
def test_arms_points_and_seeds_extend_a_definition(changes: dict[str, Any], line: str) -> None:
    earlier, definition = defined(), defined(**changes)
    assert definition.digest != earlier.digest
    assert definition.difference(earlier) == [line]
    assert definition.extends(earlier)
    assert not earlier.extends(definition)


def test_more_seeds_to_add_where_it_is_open_extend_a_definition() -> None:
    earlier = defined(seeds=at_least(2, up_to=3))
    assert defined(seeds=at_least(2, up_to=5)).extends(earlier)
    assert not defined(seeds=at_least(3, up_to=5)).extends(earlier)  # may stop before seed 2


def test_a_searched_arm_extends_a_definition_but_another_search_does_not() -> None:
    searched = arms(linear=Arm(policy="linear", max_lr=tuned(0.01, 1)))
    with_search = defined(arms=searched)
    assert with_search.difference(defined()) == ["arms: adds linear", "tuning: adds a search"]
    assert with_search.extends(defined())
    longer = defined(arms=searched, tuning=Tuning(trials=20))
    assert longer.difference(with_search) == ["tuning: trials was 16, is 20"]
    assert not longer.extends(with_search)
    other = defined(arms=searched, tuning=Tuning(sampler="tpe"))
    assert other.difference(with_search) == [
        "tuning: sampler was not set, is tpe",
        "tuning: parallel was not set, is 4",
    ]
    assert other.digest != with_search.digest


def test_a_definition_with_even_trials_is_as_it_was_before_there_were_samplers() -> None:
    tuning = defined(arms=arms(a=Arm(policy="linear", max_lr=tuned(0.01, 1)))).tuning
    assert tuning == {
        "trials": 16,
        "per_seed": True,
        "replicates": 1,
        "validation_fraction": 0.2,
        "seed": 0,
        "rule": "highest validation accuracy of a fitted surface",
    }


def test_an_edited_model_or_data_set_is_named() -> None:
    earlier = replace(defined(), models={"net": "aa"}, datasets={"blobs": "cc"})
    definition = replace(earlier, models={"net": "bb"}, datasets={"blobs": "dd"})
    assert definition.digest != earlier.digest
    assert definition.difference(earlier) == [
        "models: the source of net changed",
        "datasets: the content of blobs changed",
    ]
    assert not definition.extends(earlier)


def test_settings_that_differ_late_in_their_digits_have_different_texts() -> None:
    earlier = defined(budget=seconds(60, {64: 0.01}))
    (line,) = defined(budget=seconds(60, {64: 0.0100000001})).difference(earlier)
    was, now = line.split(", is ")
    assert was.removeprefix("budget: was ") != now
