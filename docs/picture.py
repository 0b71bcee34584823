"""Take the picture of a report that the README and the documentation show.

    python docs/picture.py

The report is that of the quickstart in `studies/results`, drawn by a headless Chromium. The
picture is the top of the page, with the verdict and the first chart.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"
LARGEST = 300_000
"""Bytes: every clone carries the picture."""


def main() -> None:
    """Write the report, draw it and keep the picture."""
    superconv = Path(sys.executable).with_name("superconv")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        report = Path(folder) / "report.html"
        store = ROOT / "studies" / "results"
        subprocess.run(
            [superconv, "report", store, "--study", "quickstart", "-o", report], check=True
        )
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 860}, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_selector(".vega-embed svg, .vega-embed canvas")
        page.wait_for_timeout(2000)  # for the charts below the first one
        page.screenshot(path=PICTURE)
        browser.close()
    size = PICTURE.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{PICTURE} has {size:,} bytes; at most {LARGEST:,} are allowed")
    print(f"{PICTURE}: {size:,} bytes")


if __name__ == "__main__":
    main()
