"""Write `docs/scorecard.md` from the store that comes with the repository.

python -m docs.scorecard
"""

from __future__ import annotations

from pathlib import Path

from superconv_ray.report.scorecard.rows import scorecard
from superconv_ray.report.scorecard.text import scorecard_markdown
from superconv_ray.storage.store import open_store

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scorecard.md"
STORE = "studies/results"
HEAD = f"""\
# Which claims about super-convergence hold here?

<!-- `make scorecard` writes this page from {STORE}. -->

Every row is a claim of Smith & Topin
([v3 and the ICLR submission of 1708.07120](https://arxiv.org/abs/1708.07120)), of Smith
([1803.09820](https://arxiv.org/abs/1803.09820)) or of their critics. A file in `studies/paper/`
tests it, at the published size (`--scale paper`) or at one that two CPU cores finish within an hour
(`--scale laptop`). A laptop's verdict is about its own data, network and budget: it says whether
the effect shows there, not whether the published numbers are right.

A claim **holds** if a 95 % interval lies on its side. It **does not hold** if the interval lies on
the other side, or contains no effect that counts (half a point of accuracy). Otherwise it **cannot
be told** from these runs. Intervals of test accuracies are over seeds and test samples, as if other
digits could have been drawn; those of losses, rates and settings are over seeds alone. They are not
corrected for the number of claims. Accuracies are in %.
To make such a page of your own results:

```sh
superconv scorecard {STORE}
superconv scorecard {STORE} --html scorecard.html
```

"""


def page() -> str:
    """The page, as the repository's studies and store make it now."""
    card = scorecard(open_store(ROOT / STORE))
    return HEAD + scorecard_markdown(card, _from_docs)


def _from_docs(file: str) -> str | None:
    """The way from the page to a study's file, if there is one."""
    return f"../{file}" if (ROOT / file).is_file() else None


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
