"""Execute `studies/analysis.ipynb`, so that its outputs show where it is only looked at.

python -m docs.notebook
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "studies" / "analysis.ipynb"


def executed() -> Any:
    """The notebook with fresh outputs, without what differs from machine to machine.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised an exception.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    settings = {"timeout": 600, "startup_timeout": 600, "record_timing": False}
    NotebookClient(notebook, resources=place, **settings).execute()
    del notebook.metadata.language_info["version"]
    return notebook


def main() -> None:
    """Write the outputs into the notebook."""
    nbformat.write(executed(), NOTEBOOK)


if __name__ == "__main__":
    main()
