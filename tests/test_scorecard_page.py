"""The scorecard in the documentation is that of the store that comes with the repository."""

from docs.scorecard import PAGE, page


def test_the_page_is_that_of_the_shipped_store() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make scorecard"
