from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.range_tests.frames import join_range_tests


def test_curves_are_joined_with_the_settings_of_range_tests_alone() -> None:
    curves = pd.DataFrame(
        {
            "trial_id": pd.Categorical(["a", "a", "b"]),
            "lr": [0.1, 0.2, 0.1],
            "train_loss": 1.0,
            "step": [1, 2, 1],
        }
    )
    trials = pd.DataFrame(
        {
            "trial_id": ["a", "b"],
            "kind": ["range_test", "training"],
            "status": "completed",
            "train_loss": [7.0, 8.0],
            "data_count": [10, 20],
        }
    )
    joined = join_range_tests(trials, curves)
    assert joined["train_loss"].tolist() == [1.0, 1.0]
    assert joined["data_count"].tolist() == [10, 10]
