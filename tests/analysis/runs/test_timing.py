from __future__ import annotations

import pandas as pd
import pytest

from superconv_ray.analysis.runs.timing import step_seconds
from superconv_ray.design.budget import seconds


def trials(**changes: object) -> pd.DataFrame:
    columns = {
        "model": "lenet",
        "device": "a CPU",
        "batch_size": [64, 64, 64, 512],
        "steps_done": [100, 100, 200, 10],
        "train_seconds": [1.0, 9.0, 4.0, 1.0],
    }
    return pd.DataFrame({**columns, **changes})


def test_the_time_of_a_step_is_the_median_over_trials() -> None:
    times = step_seconds(trials())  # 0.01, 0.09 and 0.02; 0.1
    assert times == {64: pytest.approx(0.02), 512: pytest.approx(0.1)}
    assert seconds(2.0, times).steps(training_count=1000, batch_size=64) == 100


def test_times_of_different_models_or_devices_are_not_mixed() -> None:
    with pytest.raises(ValueError, match=r"of one device, got \['a CPU', 'a GPU'\]"):
        step_seconds(trials(device=["a CPU", "a GPU", "a CPU", "a CPU"]))
    with pytest.raises(ValueError, match=r"of one model, got \[\]"):
        step_seconds(trials().head(0))
