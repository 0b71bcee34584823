"""A report as one HTML file that needs no network.

Needs the optional packages of ``pip install 'superconv_ray[report]'``. Vega draws the charts and
DataTables sorts and filters the tables; the file contains each of them once.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import vl_convert
from markupsafe import Markup, escape

from superconv_ray.design.text import INTERVAL
from superconv_ray.report import theme
from superconv_ray.report.content import IndexEntry, Report
from superconv_ray.report.readable import Quantity, Words, is_number, shown_columns

OWN_SCRIPTS = ("charts.js", "tables.js", "page.js")
EXACT_IN_JAVASCRIPT = 2**53


def render(report: Report, *, version: str = "", index: str = "") -> str:
    """The complete page of a report: styles, libraries, charts and tables.

    Args:
        report: The content.
        version: Version of the content. If given, the page asks its server every few seconds for
            the current version (see `report.live`) and reloads when it changes. If empty, the page
            makes no request at all.
        index: File name of the index of the store's studies; empty if there is none.
    """
    data = {
        "themes": {"light": theme.config(dark=False), "dark": theme.config(dark=True)},
        "charts": dict(_charts(report)),
        "tables": {
            section.name: _table(section.frame, section.quantities, section.words)
            for section in report.sections
        }
        | {"all-trials": _table(report.trials, report.trial_quantities)},
        "study": report.study,
        "version": version,
    }
    scripts = [*_libraries(), _plain("\n".join(map(template_text, OWN_SCRIPTS)))]
    return (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            data=data,
            styles=[Markup(_datatables("css")), Markup(template_text("page.css"))],
            scripts=scripts,
            hashes=[_hash(script) for script in scripts],
            version=version,
            index=index,
        )
    )


def render_index(place: str, entries: Sequence[IndexEntry], version: str = "") -> str:
    """The index of a store's studies, without scripts.

    Args:
        place: Path or URI of the store.
        entries: A study each.
        version: If given, the page reloads every few seconds.
    """
    style = Markup(template_text("page.css"))
    template = environment().get_template("index.html")
    return template.render(place=place, entries=entries, version=version, style=style)


def _charts(report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each section's name and chart as Vega-Lite; colors and fonts come from the theme."""
    with alt.data_transformers.enable("default", max_rows=None), alt.theme.enable("none"):
        for section in report.sections:
            if section.chart is not None:
                yield (
                    section.name,
                    section.chart.to_dict(validate=False) | {"description": section.title},
                )


def _table(
    frame: pd.DataFrame, quantities: Sequence[Quantity] = (), words: Words | None = None
) -> dict[str, Any]:
    """A frame for JSON: columns and rows with all digits, and what the page shows of them.

    A named index becomes columns.
    """
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = [{"name": str(name), "numeric": is_number(column)} for name, column in frame.items()]
    cells = [[_cell(value) for value in column.tolist()] for _, column in frame.items()]
    return {
        "columns": columns,
        "rows": list(zip(*cells, strict=True)),
        "shown": [vars(one) for one in shown_columns(frame, quantities, words)],
    }


def _cell(value: Any) -> str | float | bool | None:
    """A value for JSON, with all its digits."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str)
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_IN_JAVASCRIPT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)


@functools.cache
def _libraries() -> tuple[Markup, Markup]:
    """Vega with Vega-Lite, and DataTables, which extends the global jQuery."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return _plain(vega), _plain(_datatables("js"))


def _datatables(kind: str) -> str:
    """DataTables with its extensions from itables: "js" or "css"."""
    return (resources.files("itables") / "html" / f"dt_bundle.{kind}").read_text("utf-8")


def _plain(script: str) -> Markup:
    r"""A script without text that HTML would take for the end of its element.

    Such text is in strings and regular expressions, where ``\x3c`` means the same.
    """
    return Markup(re.sub(r"<(?=!--|/?script)", r"\\x3c", script, flags=re.IGNORECASE))


def _intervals(text: str) -> Markup:
    """A text with no line break within an interval such as [-1.1, +1.6]."""
    whole = r'<span class="whole">\g<0></span>'
    return Markup(re.sub(INTERVAL, whole, str(escape(text))))


def _svg_data(picture: str) -> str:
    """Address of a picture that is part of the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"


def _hash(script: str) -> str:
    """Hash by which the security policy of the page admits its own scripts only."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def template_text(name: str) -> str:
    """A file of the templates, such as the styles that all pages share."""
    return (resources.files("superconv_ray.report") / "templates" / name).read_text("utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """What the templates are rendered with."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("superconv_ray.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["intervals"] = _intervals
    environment.filters["svg_data"] = _svg_data
    # JSON has no infinity and NaN: a browser could not read them
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
