"""Sphinx configuration: `make docs` builds the pages, offline, and treats warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

import superconv_ray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.generate import write_pages  # noqa: E402 - found through the path above

project = "superconv_ray"
version = release = superconv_ray.__version__
author = "The superconv_ray authors"
copyright = author  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_generated"]
# Tables, command line and benchmark figures come from the code and from recorded measurements.
write_pages(HERE / "_generated")

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.strikethrough"]

default_role = "py:obj"  # `Trial` in a docstring links to Trial where there is such an entry
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = f"superconv_ray {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = "$ "
