from __future__ import annotations

import pytest

from superconv_ray.report import theme


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_an_arm_keeps_its_look_whatever_is_drawn_with_it() -> None:
    scale = theme.arm_scales(["x", "y"])["color"].to_dict()
    assert scale == {"domain": ["x", "y"], "range": ["#0072B2", "#D55E00"]}


def test_forty_two_arms_have_different_marks() -> None:
    scales = theme.arm_scales([str(i) for i in range(42)]).values()
    colors, shapes, dashes = (scale.to_dict()["range"] for scale in scales)
    assert len(set(zip(colors, shapes, strict=True))) == 42
    assert dashes[6:8] == [[1, 0], [6, 3]]


def test_fourteen_arms_differ_also_where_shapes_say_something_else() -> None:
    arms = [str(i) for i in range(14)]
    scales, hollow = theme.arm_scales(arms), theme.hollow(arms)
    colors, dashes = (scales[name].to_dict()["range"] for name in ("color", "strokeDash"))
    assert len(set(zip(colors, map(tuple, dashes), strict=True))) == 14
    assert len({(color, arm in hollow) for color, arm in zip(colors, arms, strict=True)}) == 14


@pytest.mark.parametrize(("dark", "background"), [(False, theme.BACKGROUND), (True, "#16181d")])
def test_colors_are_readable_on_light_and_on_dark_pages(dark: bool, background: str) -> None:
    assert all(contrast(color, background) > 2.2 for color in theme.COLORS)
    assert all(contrast(color, background) > 3 for color in theme.COLORS[:4])
    config = theme.config(dark)
    for text in (config["axis"]["labelColor"], config["text"]["color"]):
        assert contrast(text, background) > 7
    assert contrast(config["title"]["subtitleColor"], background) > 4.5


def test_charts_are_transparent_on_a_page() -> None:
    assert theme.config(dark=True)["background"] == "transparent"
