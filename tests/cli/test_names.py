"""A study's name never stands for two questions: what is continued, extended, replaced, refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import open_store

STUDY = """
from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations

study = Study(
    name="named",
    base=Trial(dataset="digits", model="small_cnn", batch_size=16, eval_interval=3),
    sweep=grid(data_count=(60,)),
    arms={
        "one_cycle": Arm(max_lr=0.05),
        "constant": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(6),
    seeds=2,
)
"""


class Edited:
    """A study file that is edited and run again and again on the same store."""

    def __init__(self, superconv: Callable[..., Result], folder: Path) -> None:
        self._superconv = superconv
        self.path = folder / "named_study.py"
        self.uri = str(folder / "store")
        self.path.write_text(STUDY)

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def __call__(self, command: str, *flags: object) -> Result:
        where = ["--store", self.uri, *(["--local"] if command == "run" else [])]
        return self._superconv(command, self.path, *where, *flags)

    def report(self) -> Result:
        page = self.path.with_name("report.html")
        return self._superconv("report", self.uri, "-o", page)

    def members(self, definition: str | None = None) -> set[tuple[str, str]]:
        members = open_store(self.uri).members("named", definition=definition)
        return set(zip(members["arm"], members["trial_id"], strict=True))

    def finished(self) -> set[str]:
        return set(open_store(self.uri).trials()["trial_id"])


@pytest.fixture
def study(superconv: Callable[..., Result], tmp_path: Path) -> Edited:
    study = Edited(superconv, tmp_path)
    result = study("run")
    assert result.exit_code == 0, result.output
    assert "4 trials trained" in result.stdout
    return study


# A run


def test_a_study_with_other_settings_is_refused_with_the_difference_and_the_choices(
    study: Edited,
) -> None:
    members = study.members()
    study.edit('"one_cycle": Arm(max_lr=0.05)', '"one_cycle": Arm(max_lr=0.1)')
    study.edit("iterations(6)", "iterations(8)")
    result = study("run")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: study 'named' in the store {study.uri} has other settings:\n"
        "  arms: one_cycle.max_lr was 0.05, is 0.1\n"
        "  budget: was iterations(6), is iterations(8)\n"
        "To make these the settings of the study, repeat the command with --replace (in Python: "
        "replace=True); finished trials and the earlier results are kept. To keep both, give this "
        "study another name.\n"
    )
    assert study.members() == members
    assert len(study.finished()) == 4


def test_a_study_under_another_name_shares_the_store(study: Edited) -> None:
    study.edit("iterations(6)", "iterations(8)")
    study.edit('name="named"', 'name="renamed"')
    assert "4 trials trained" in study("run").stdout
    assert len(study.members()) == 4


def test_a_study_is_replaced_where_asked_and_the_earlier_one_is_kept(study: Edited) -> None:
    members, (first,) = study.members(), open_store(study.uri).definitions("named")
    study.edit("iterations(6)", "iterations(8)")
    result = study("run", "--replace")
    assert result.exit_code == 0, result.output
    assert "study named: budget: was iterations(6), is iterations(8)" in result.stdout
    assert "4 trials trained, 0 found" in result.stdout
    assert not study.members() & members
    assert study.members(first.digest) == members
    assert len(study.finished()) == 8
    earlier, current = open_store(study.uri).definitions("named")
    assert (earlier, current.budget) == (first, {"iterations": 8})


def test_a_definition_that_was_replaced_can_come_back(study: Edited) -> None:
    members = study.members()
    study.edit("iterations(6)", "iterations(8)")
    study("run", "--replace")
    study.edit("iterations(8)", "iterations(6)")
    assert study("run").exit_code == 2
    assert "0 trials trained, 4 found" in study("run", "--replace").stdout
    assert study.members() == members
    assert [d.budget for d in open_store(study.uri).definitions("named")] == [
        {"iterations": 8},
        {"iterations": 6},
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "trained"),
    [
        ("(60,)", "(40, 60, 80)", "sweep: adds data_count=40, data_count=80", 8),
        ("arms={", 'arms={"cosine": Arm(policy="cosine", max_lr=0.1),', "arms: adds cosine", 2),
        ("seeds=2", "seeds=3", "seeds: adds 2", 2),
    ],
)
def test_a_study_that_only_adds_is_extended_without_a_flag(
    study: Edited, old: str, new: str, line: str, trained: int
) -> None:
    members = study.members()
    study.edit(old, new)
    result = study("run")
    assert result.exit_code == 0, result.output
    assert f"study named: {line}\n" in result.stdout
    assert f"{trained} trials trained, 4 found" in result.stdout
    assert study.members() > members
    assert len(study.members()) == 4 + trained


def test_the_same_study_is_continued_silently(study: Edited) -> None:
    study.edit("grid, iterations\n", "grid, iterations  # a comment\n")
    result = study("run")
    assert "0 trials trained, 4 found" in result.stdout
    assert "study named: 0" in result.stdout.splitlines()[0]
    assert len(open_store(study.uri).definitions("named")) == 1


def test_what_is_finished_stays_a_member_while_an_extension_has_only_begun(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    """A further seed is a further range test, which may choose another max_lr for all seeds."""
    study = Edited(superconv, tmp_path)
    study.edit("Arm(max_lr=0.05)", "Arm(max_lr=from_range_test(steps=10, points=5))")
    assert study("run").exit_code == 0
    members = study.members()
    study.edit("seeds=2", "seeds=3")
    study.edit("(60,)", "(80, 60)")  # cells have other numbers now
    assert study("run", "--max-trials", 0).exit_code == 0
    assert study.members() > members
    trials = open_store(study.uri).trials("named")
    assert set(trials["data_count"]) == {60}
    assert set(trials["cell"]) == {2, 3}
    assert study("run").exit_code == 0
    trainings = open_store(study.uri).trials("named", filters=[("kind", "==", "training")])
    assert (
        trainings.groupby(["arm", "data_count"])["seed"].apply(sorted).tolist() == [[0, 1, 2]] * 4
    )


def test_settings_of_which_nothing_is_finished_are_replaced_without_a_flag(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    study = Edited(superconv, tmp_path)
    study("run", "--max-trials", 0)
    study.edit("iterations(6)", "iterations(8)")
    assert "4 trials trained" in study("run").stdout


def test_an_edited_model_is_another_question_once_it_has_results(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    study = Edited(superconv, tmp_path)
    study.edit("\nstudy =", MODEL)
    study.edit('model="small_cnn"', 'model="linear"')
    study.edit("seeds=2", 'seeds=2, models={"linear": Linear}')
    assert study("run").exit_code == 0
    study.edit("bias=True", "bias=False")
    result = study("run")
    assert result.exit_code == 2
    assert "  models: the source of linear changed\n" in result.stderr
    assert "the source of linear changed" in study("show").stdout
    assert "4 trials trained" in study("run", "--replace").stdout


MODEL = """
from torch import nn


class Linear(nn.Module):
    def __init__(self, *, input_shape, classes, dropout):
        super().__init__()
        self.linear = nn.Linear(64, classes, bias=True)

    def forward(self, x):
        return self.linear(x.flatten(1))


study ="""


# Looking


@pytest.mark.parametrize("command", ["status", "show"])
def test_looking_says_if_the_file_has_other_settings_than_the_store(
    study: Edited, command: str
) -> None:
    assert "note: study" not in study(command).stdout
    study.edit("iterations(6)", "iterations(8)")
    study.edit("seeds=2", "seeds=3")
    result = study(command)
    assert result.exit_code == 0
    assert (
        f"note: study 'named' in the store {study.uri} has other settings than this file: "
        "budget: was iterations(6), is iterations(8); seeds: adds 2\n"
    ) in result.stdout


def test_status_counts_what_the_file_asks_for(study: Edited) -> None:
    study.edit("iterations(6)", "iterations(8)")
    assert "4 trials, 0 done (of which 0 diverged), 0 failed, 4 left" in study("status").stdout


def test_results_are_shown_where_the_file_cannot_be_planned(study: Edited) -> None:
    study.edit("data_count=(60,)", "data_count=(10**6,)")
    result = study("show")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "note: the settings of study 'named' cannot be compared with the store's: arm "
    )
    assert f"tables: {study.uri}" in result.stdout


def test_looking_before_the_first_run_says_nothing_of_settings(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    study = Edited(superconv, tmp_path)
    assert "note: study" not in study("status").stdout
    assert "no study 'named' in the store" in study("show").stderr


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_damaged_file_of_a_study_is_named_in_one_line_and_the_next_run_sets_it_aside(
    study: Edited, superconv: Callable[..., Result], suffix: str
) -> None:
    members, file = study.members(), Path(study.uri, "studies", f"named.{suffix}")
    file.write_bytes(file.read_bytes()[:-100])
    looks = [superconv("watch", study.uri, "--once"), study.report()]
    for result in [study("status"), study("show"), *looks]:
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: studies/named.{suffix} in the store {study.uri} is damaged")
        assert "Run the study again: that moves the file to set_aside/" in line
    ran = study("run")
    assert "0 trials trained, 4 found" in ran.stdout
    assert f"warning: studies/named.{suffix} in the store {study.uri} is damaged" in ran.stdout
    assert Path(study.uri, "set_aside", "studies", f"named.{suffix}").exists()
    assert study.members() == members
    assert study("show").exit_code == 0


def test_a_damaged_table_is_named_in_one_line_by_every_command_and_its_trials_are_repeated(
    study: Edited, superconv: Callable[..., Result]
) -> None:

    def shown() -> str:
        return re.sub(r"[0-9.]+ m?s of training", "", study("show").stdout)

    before = shown()
    (file,) = Path(study.uri, "trials").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[60] ^= 1
    file.write_bytes(content)
    looks = [superconv("watch", study.uri, "--once"), study.report()]
    for result in [study("status"), study("show"), *looks]:
        (line,) = result.stderr.splitlines()[:1]
        assert result.stderr.count(f"trials/{file.name}") == 1
        assert line.startswith(f"warning: trials/{file.name} in the store {study.uri} is damaged: ")
        assert "Run the study again: that moves the file to set_aside/" in line
    ran = study("run")
    assert f"warning: trials/{file.name} in the store {study.uri} is damaged: " in ran.stdout
    assert "4 of its 4 trials are trained again" in ran.stdout
    assert "4 trials trained, 0 found" in ran.stdout
    assert shown() == before
