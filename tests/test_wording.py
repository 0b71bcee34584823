from __future__ import annotations

import pytest

from superconv_ray.wording import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (91, "2 min"), (5400, "90 min"), (5401, "1.5 h"), (1e5, "27.8 h")],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
