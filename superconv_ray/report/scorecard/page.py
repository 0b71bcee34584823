"""A scorecard as one HTML file that needs no network and no scripts."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from superconv_ray.report.page import environment, template_text
from superconv_ray.report.scorecard.rows import Scorecard


def render_scorecard(card: Scorecard, link: Callable[[str], str | None]) -> str:
    """The complete page.

    Args:
        card: The scorecard.
        link: From a study's file to what to link; None if there is nothing to link.
    """
    template = environment().get_template("scorecard.html")
    return template.render(card=card, link=link, style=Markup(template_text("page.css")))
