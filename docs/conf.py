"""How Sphinx builds the site. Its source is the whole repository, so that links work there and on the site alike."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = PROJECT["name"]
version = release = PROJECT["version"]
copyright = ""  # noqa: A001 - Sphinx calls it so
html_show_copyright = False

extensions = ["myst_parser", "sphinxcontrib.svgbob"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = [
    "app/console/README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**.md",
    "mappers/README.md",
    "mappers/*/README.md",
    "examples/*/README.md",
]
exclude_patterns = [".*", "build", "bench", "data", "dist", "giftbridge", "providers", "requirements"]

myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = "giftbridge"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a browser lets no page of a folder read another
# The site begins at docs/index.html; whoever opens its folder is led there.
html_extra_path = ["site"]
html_static_path = ["static"]
html_css_files = ["pages.css"]
pygments_style = "default"
pygments_dark_style = "monokai"
