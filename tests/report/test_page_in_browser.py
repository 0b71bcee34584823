"""The page in a real Chromium: it draws, sorts, saves, fits and asks the network for nothing."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import shutil
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pytest
from PIL import Image

from superconv_ray.design.metrics import ACCURACY
from superconv_ray.report import live, page, readable
from superconv_ray.report.content import IndexEntry, Report
from tests.report import made

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 180_000
"""How long a test waits for the browser."""
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(22, 24, 29)"
Open = Callable[..., "Page"]
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on this machine")
    playwright.expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        # a sandbox is not to be had for root; the pages are this suite's own
        browser = driver.chromium.launch(
            executable_path=found, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a report; in the end, nothing was asked of the network or complained of."""
    complaints: list[str] = []
    with contextlib.ExitStack() as stack:

        def show(report: Report, *, width: int = 1400, scheme: Scheme = "light") -> Page:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            file = tmp_path / "report.html"
            file.write_text(page.render(report), encoding="utf-8")
            address = file.as_uri()
            shown = context.new_page()
            shown.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
            shown.on("pageerror", lambda error: complaints.append(str(error)))
            shown.on("dialog", lambda dialog: complaints.append(dialog.message))
            shown.on("request", lambda asked: note(asked.url, address))
            shown.goto(address)
            return shown

        def note(url: str, address: str) -> None:
            if not (url == address or url.startswith(("blob:", "data:"))):
                complaints.append(f"asked for {url}")

        yield show
    assert complaints == []


def drawn(shown: Page) -> list[Locator]:
    """The charts, each scrolled to and drawn."""
    figures = shown.locator("figure").all()
    for figure in figures:
        figure.scroll_into_view_if_needed()
    of_pages(shown.locator("figure[data-drawn]")).to_have_count(len(figures))
    return figures


def first_drawn(shown: Page) -> Locator:
    """The first chart, drawn."""
    figure = shown.locator("figure").first
    figure.scroll_into_view_if_needed()
    of_pages(shown.locator("figure[data-drawn]").first).to_be_visible()
    return figure


def of_pages(what: Locator) -> Any:
    """Expectations that are waited for."""
    from playwright.sync_api import expect

    return expect(what)


def widths(shown: Page) -> tuple[int, int]:
    """Of what is shown and of the screen; the first is larger where the page can be scrolled."""
    measured: list[int] = shown.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return measured[0], measured[1]


def trials_table(shown: Page) -> Locator:
    table = shown.locator("[data-table=all-trials]")
    table.scroll_into_view_if_needed()
    table.locator("tbody tr").first.wait_for()
    return table


def cells(table: Locator, name: str) -> Locator:
    """Those of the column of that name."""
    names = table.locator("thead th").all_inner_texts()
    place = [found.strip() for found in names].index(name) + 1
    return table.locator(f"tbody td:nth-child({place})")


def column(table: Locator, name: str) -> list[str]:
    return cells(table, name).all_inner_texts()


def saved(shown: Page, button: Locator) -> tuple[str, bytes]:
    """Name and content of the file that a button saves."""
    with shown.expect_download() as waiting:
        button.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def as_csv_has_it(frame: pd.DataFrame) -> pd.DataFrame:
    """With lists and times as text; numbers and what is missing as they are."""
    text = {
        str(name): column.map(
            lambda value: value.isoformat() if isinstance(value, pd.Timestamp) else str(value),
            na_action="ignore",
        )
        for name, column in frame.items()
        if not pd.api.types.is_numeric_dtype(column)
    }
    return frame.assign(**text)


def sizes(shown: Page) -> list[tuple[float, float]]:
    """Width and height of every chart."""
    boxes = [chart.bounding_box() for chart in shown.locator("figure svg").all()]
    return [(box["width"], box["height"]) for box in boxes if box is not None]


def test_every_chart_has_marks_and_the_width_of_a_wide_or_a_narrow_page(show: Open) -> None:
    shown = show(made.report())
    for figure in drawn(shown):
        assert figure.locator(".role-mark path").count() > 0
    wide = sizes(shown)
    # The first chart shares the first screen with the answer in words.
    assert [width for width, _ in wide] == pytest.approx([561, 960, 960], abs=10)
    assert widths(shown) == (1400, 1400)

    shown.set_viewport_size({"width": 360, "height": 900})
    of_pages(shown.locator("figure svg[width='960']")).to_have_count(0)
    of_pages(shown.locator("figure[data-drawn]")).to_have_count(3)
    narrow = sizes(shown)
    assert [width for width, _ in narrow] == pytest.approx([328] * 3, abs=10)
    assert widths(shown) == (360, 360)

    # panels of 160 px, two by two where there is room, else one below the other
    assert 320 < wide[1][1] < 640 < narrow[1][1]


def test_a_chart_has_an_accessible_name(show: Open) -> None:
    shown = show(made.report())
    first_drawn(shown)
    title = "Accuracy against the number of labels"
    chart = shown.locator(f"[role=graphics-document][aria-label='{title}']")
    assert chart.count() == 1


def test_a_mark_has_a_tooltip_with_its_numbers(show: Open) -> None:
    shown = show(made.report())
    figure = first_drawn(shown)
    mark = figure.locator(".mark-symbol.role-mark path").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)  # a rule may lie above the point
    tooltip = shown.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert {"arm", "labels"} <= set(tooltip.inner_text().replace(":", " ").split())


def test_tables_are_sorted_by_number_not_by_text(show: Open) -> None:
    shown = show(made.with_trials(made.trial_frame(500)))
    table = trials_table(shown)
    assert column(table, "seed")[:5] == ["0", "0", "0", "0", "1"]
    heading = table.get_by_role("button", name="seed: Activate")
    heading.click()
    of_pages(table.locator("th[aria-sort=ascending] .dt-column-title")).to_have_text("seed")
    assert column(table, "seed")[:5] == ["0", "0", "0", "0", "1"]
    table.get_by_role("button", name="seed: Activate").click()
    of_pages(table.locator("th[aria-sort=descending] .dt-column-title")).to_have_text("seed")
    assert column(table, "seed")[:5] == ["124", "124", "124", "124", "123"]


def test_estimates_are_sorted_by_number_and_filtered_by_what_is_shown(show: Open) -> None:
    frame = pd.DataFrame({"mean": [0.01, -0.02444, 0.1], "low": -0.1, "high": 0.2})
    quantities = (readable.difference(ACCURACY),)
    report = dataclasses.replace(made.with_trials(frame), trial_quantities=quantities)
    shown = show(report)
    table = trials_table(shown)
    texts = ["+1.0 [-10.0, +20.0]", "-2.4 [-10.0, +20.0]", "+10.0 [-10.0, +20.0]"]
    assert column(table, "gap (points)") == texts
    table.get_by_role("button", name="gap (points): Activate").click()
    of_pages(cells(table, "gap (points)")).to_have_text([texts[1], texts[0], texts[2]])
    table.get_by_label("Filter").fill("-2.4")
    of_pages(cells(table, "gap (points)")).to_have_text([texts[1]])
    _, content = saved(shown, table.get_by_role("button", name="CSV of 1 rows"))
    assert content.decode().splitlines() == ["mean,low,high", "-0.02444,-0.1,0.2"]


def test_tables_are_filtered_as_a_whole_and_by_column(show: Open) -> None:
    shown = show(made.with_trials(made.trial_frame(500)))
    table = trials_table(shown)
    table.get_by_label("Filter").fill("diverged")
    of_pages(cells(table, "status")).to_have_text(["diverged"] * 10)
    assert table.get_by_text("1 to 10 of 10 rows (of 500)").is_visible()
    table.locator("thead th", has_text="seed").locator(".dtcc-button_dropdown").click()
    shown.locator(".dtcc-dropdown input").fill("24")
    of_pages(cells(table, "seed")).to_have_text(["24"])
    name, content = saved(shown, table.get_by_role("button", name="CSV of 1 rows"))
    assert name == "made_up-all-trials.csv"
    assert pd.read_csv(BytesIO(content))["seed"].tolist() == [24]


def test_a_table_is_saved_with_all_its_digits(show: Open) -> None:
    report = made.with_trials(made.trial_frame(500))
    shown = show(report)
    _, content = saved(shown, trials_table(shown).get_by_role("button", name="CSV"))
    found = pd.read_csv(BytesIO(content), engine="python")  # reads every digit
    wanted = as_csv_has_it(report.trials)
    pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)


def test_saved_text_is_never_a_formula_and_numbers_stay_numbers(show: Open) -> None:
    texts = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "x;=1", "a-b", "-1.5", "+3"]
    numbers = [-1.0, 2.5, float("-inf"), 1e-7, 0.0, -1e300, 3.0, 4.0, 5.0, 6.0]
    whole = [-(2**62), *range(9)]
    frame = pd.DataFrame({"=text": texts, "value": numbers, "whole": whole})
    shown = show(made.with_trials(frame))
    _, content = saved(shown, trials_table(shown).get_by_role("button", name="CSV"))
    with StringIO(content.decode(), newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["'=text", "value", "whole"]
    found, values, integers = zip(*rows, strict=True)
    dangerous = [f"'{text}" for text in texts[:6]]
    assert list(found) == [*dangerous, "x;=1", "a-b", "-1.5", "+3"]
    assert list(map(float, values)) == numbers
    assert list(map(int, integers)) == whole
    assert b'"x;=1"' in content  # or a spreadsheet that splits at semicolons would run it


def test_a_chart_is_saved_as_image_and_as_numbers(show: Open) -> None:
    report = made.report()
    shown = show(report, scheme="dark")
    figure = first_drawn(shown)
    names = {}
    for kind in ("PNG", "SVG", "CSV"):
        name, names[kind] = saved(shown, figure.get_by_role("button", name=kind))
        assert name == f"limited_data-accuracy.{kind.lower()}"
    image = Image.open(BytesIO(names["PNG"])).convert("RGB")
    assert image.width > 1000
    assert image.getpixel((1, 1)) == (22, 24, 29)  # what is light on dark needs the dark
    assert len(ET.fromstring(names["SVG"]).findall(".//{*}path")) > 20
    pd.testing.assert_frame_equal(pd.read_csv(BytesIO(names["CSV"])), report.sections[0].frame)


def test_numbers_are_shown_with_four_digits_and_what_is_missing_as_a_dash(show: Open) -> None:
    frame = pd.DataFrame(
        {
            "value": [0.123456, 1234.56, 1e-7, float("inf"), None, 3.0],
            "whole": [1, 20000, 2**62, 0, -1, 5],
            "other": [[1, 2], None, True, pd.Timestamp("2026-11-22"), "=1+1", 0.1 + 0.2],
        }
    )
    shown = show(made.with_trials(frame))
    table = trials_table(shown)
    assert column(table, "value") == ["0.1235", "1,235", "1e-07", "inf", "–", "3"]
    assert column(table, "whole") == ["1", "20,000", f"{2**62:,}", "0", "-1", "5"]
    assert column(table, "other") == ["1/2", "–", "True", "2026-11-22 00:00:00", "=1+1", "0.3"]
    _, content = saved(shown, table.get_by_role("button", name="CSV"))
    assert content.decode().split("\r\n") == [
        "value,whole,other",
        '0.123456,1,"[1, 2]"',
        "1234.56,20000,",
        f"1e-7,{2**62},true",
        "inf,0,2026-11-22T00:00:00",
        ",-1,'=1+1",
        "3,5,0.30000000000000004",
        "",
    ]


@pytest.mark.parametrize(
    ("scheme", "first", "other"), [("light", LIGHT, DARK), ("dark", DARK, LIGHT)]
)
def test_the_page_follows_the_systems_theme_and_the_readers_choice(
    show: Open, scheme: Scheme, first: str, other: str
) -> None:
    shown = show(made.report(), scheme=scheme)
    figure = first_drawn(shown)

    def paper() -> tuple[str, str]:
        body = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        chart = figure.locator("svg").evaluate("svg => svg.style.backgroundColor")
        return body, chart

    assert paper() == (first, first)
    shown.locator("#theme-switch").click()
    other_scheme = "light" if scheme == "dark" else "dark"
    of_pages(figure).to_have_attribute("data-drawn", other_scheme)
    assert paper() == (other, other)


@pytest.mark.parametrize("width", [1100, 1400])
def test_the_answer_and_its_chart_are_on_the_first_screen(show: Open, width: int) -> None:
    shown = show(made.report(), width=width)
    drawn(shown)
    answer = shown.locator("#the-answer")
    headline, chart = answer.locator(".headline"), answer.locator("figure .drawing").first
    for part in (headline, chart):
        box: Any = part.bounding_box()
        assert box["y"] + box["height"] <= 800
    assert headline.bounding_box()["x"] < chart.bounding_box()["x"]  # type: ignore[index]
    verdicts = answer.get_by_role("table").first
    of_pages(verdicts.locator("tbody td")).to_have_text(
        ["better at 2 of 5 points and undecided at 3"]
    )


def test_user_text_stays_text(show: Open) -> None:
    shown = show(made.hostile())
    drawn(shown)
    assert shown.title() == f"{made.HOSTILE} – superconv_ray"
    assert shown.locator("h1").inner_text() == made.HOSTILE
    assert shown.locator("h2").first.inner_text() == made.HOSTILE
    table = trials_table(shown)
    assert column(table, made.HOSTILE) == [made.HOSTILE, "&" + made.HOSTILE]
    table.get_by_label("Filter").fill("<img")
    assert table.locator("tbody tr").count() == 2
    shown.locator(".failure summary").click()
    assert shown.locator(".failure pre").inner_text() == made.HOSTILE
    mark = shown.locator("figure .mark-rect.role-mark path").first
    mark.hover()
    assert shown.locator("img").count() == 0


def test_ten_thousand_trials_open(show: Open) -> None:
    shown = show(made.with_trials(made.trial_frame(10_000)))
    table = trials_table(shown)
    assert table.get_by_text("1 to 25 of 10,000 rows").is_visible()
    assert table.locator("tbody tr").count() == 25
    table.get_by_role("link", name="400", exact=True).click()
    assert column(table, "seed")[-1] == "2499"


@pytest.mark.parametrize("width", [360, 1400])
def test_a_study_without_a_trial_has_a_page_that_says_so(show: Open, width: int) -> None:
    shown = show(made.empty(), width=width)
    said = shown.locator("main").inner_text()
    assert "Study planned" in said
    assert "0 of 60 trials are done." in said
    assert shown.locator("main h2").count() == 0  # no section without content
    assert widths(shown) == (width, width)


def test_printing_opens_everything_in_light_colors_and_restores_the_page(show: Open) -> None:
    shown = show(made.report(60), scheme="dark")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    of_pages(shown.locator("figure[data-drawn=light]")).to_have_count(3)
    assert shown.locator("main details:not([open])").count() == 0
    assert shown.locator("[data-table=all-trials] tbody tr").count() == 60
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.locator("[data-table=all-trials] tbody tr").count() == 25
    assert shown.locator("main details[open]").count() == 1
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("width", [360, 1100, 1400])
def test_the_index_fits_its_page_and_needs_no_network(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    entry = IndexEntry(
        study="a_study",
        file="report-a.html",
        question=made.HOSTILE,
        state="1 of 2 trials done",
        headline="a beats b.",
        finished="2026-11-22 08:00 UTC",
        pictures=('<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200"/>',) * 2,
        pictured=made.HOSTILE,
    )
    file = tmp_path / "report.html"
    file.write_text(page.render_index("/a/store", [entry] * 3), encoding="utf-8")
    with contextlib.closing(browser.new_context(viewport={"width": width, "height": 900})) as own:
        own.set_default_timeout(PATIENCE_MS)
        shown = own.new_page()
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(file.as_uri())
        assert widths(shown) == (width, width)
        assert shown.locator("article").first.bounding_box()["width"] > 0.6 * width  # type: ignore[index]
        assert shown.locator("h2 a").first.inner_text() == made.HOSTILE
        assert [address for address in asked if not address.startswith("data:")] == [file.as_uri()]
        assert shown.locator("img").first.evaluate("image => image.naturalWidth") == 400


def test_all_controls_can_be_reached_by_keyboard(show: Open) -> None:
    shown = show(made.with_trials(made.trial_frame(30)), width=700)
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the report"
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert shown.locator("nav details").get_attribute("open") is not None
    table = trials_table(shown)
    table.get_by_label("Filter").focus()
    for _ in range(3):  # the button CSV, the table, its first heading
        shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    of_pages(table.locator("th[aria-sort=ascending] .dt-column-title")).to_have_text("id")


def test_a_live_page_reloads_and_keeps_the_readers_place(browser: Browser) -> None:
    versions = ["1"]
    with live.server(
        lambda _, version: page.render(state(version), version=version), lambda: versions[-1]
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        with contextlib.closing(browser.new_context(reduced_motion="reduce")) as context:
            context.set_default_timeout(PATIENCE_MS)
            follow(context.new_page(), f"http://127.0.0.1:{server.server_port}/", versions)
        server.shutdown()
        thread.join()


def state(version: str) -> Report:
    return dataclasses.replace(made.report(), state=f"This is version {version}.")


def follow(shown: Page, address: str, versions: list[str]) -> None:
    shown.clock.install()
    shown.goto(address)
    shown.get_by_text("This is version 1.").wait_for()
    section: Any = shown.locator("#tuning")
    drawn(shown)  # a chart that is drawn during a click moves what is clicked
    section.get_by_text("Numbers").click()
    numbers = section.locator("details").first
    of_pages(numbers).to_have_attribute("open", "")
    section.evaluate("part => scrollTo({top: part.offsetTop + 50, behavior: 'instant'})")
    shown.clock.fast_forward(3_100)
    shown.get_by_text("it reloads when trials end").wait_for(state="attached")
    versions.append("2")
    shown.clock.fast_forward(3_100)
    shown.get_by_text("This is version 2.").wait_for(state="attached")
    of_pages(numbers).to_have_attribute("open", "")
    assert abs(section.bounding_box()["y"] + 50) < 5
