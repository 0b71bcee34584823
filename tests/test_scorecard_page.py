"""The scorecard in the documentation is that of the store that comes with the repository."""

import re

from docs.scorecard import PAGE, page


def without_links(text: str) -> str:
    """A study file that is new or gone changes a link, but not what the store says."""
    return re.sub(r"\[(`studies/paper/\w+\.py`)\]\([^)]*\)", r"\1", text)


def test_the_page_is_that_of_the_shipped_store() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert without_links(written) == without_links(page()), "run: make scorecard"
