"""Settings of the site: the repository's Markdown pages as they are, and a reference made from docstrings.

`tox -e docs` builds it into build/docs, strictly: a link, an anchor or a figure that leads nowhere is an error. Pages
are plain Markdown, so what only the site has (contents, docstrings) is appended to them here.
"""

import importlib
import inspect
from collections.abc import Iterator

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring

project = html_title = "labeleff"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "README"
include_patterns = ["*.md", "docs/**", "examples/*.md", "findings/*.md", "benchmarks/*.md", "reports/**.md"]
html_theme = "furo"
html_extra_path = ["site"]  # index.html leads to README.html
default_role = "literal"  # docstrings have code between single backticks
myst_heading_anchors = 6  # the anchors that forges give
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}  # pydantic's own

CONTENTS = {
    "README": {
        "Start": ["docs/commands", "docs/gallery", "docs/guides/*"],
        "In depth": [
            *("docs/studies", "docs/pretexts", "docs/data", "docs/running", "docs/tables", "docs/embeddings"),
            *("docs/forecast", "docs/regressions", "docs/reproducing"),
        ],
        "Python": ["docs/python", "docs/reference"],
        "Project": ["CONTRIBUTING", "docs/architecture", "*/README", "CHANGELOG", "SECURITY"],
    },
    "reports/README": {"All reports": ["reports/*/README", "reports/**"]},
}
"""Pages below a page, by caption, as patterns; a page that none of them meets is an error of the strict build."""
REFERENCE, MODULES = "docs/reference", ("labeleff", "labeleff.api")


def contents(captions: dict[str, list[str]]) -> Iterator[str]:
    """One list of contents per caption."""
    for caption, patterns in captions.items():
        pages = [f"/{pattern}" for pattern in patterns]
        yield "\n".join(["```{toctree}", ":glob:", ":hidden:", f":caption: {caption}", "", *pages, "```"])


def reference(name: str) -> Iterator[str]:
    """The docstrings of a module and of all its public names, as directives."""
    module = importlib.import_module(name)
    yield f"## `{name}`"
    yield inspect.cleandoc(module.__doc__ or "")
    for public in (one for one in dir(module) if not one.startswith("_")):
        found = getattr(module, public)
        kind = "class" if inspect.isclass(found) else "function" if inspect.isfunction(found) else "data"
        yield f"### `{public}`"
        members = ["   :members:"] if kind == "class" else []
        yield "\n".join(["```{eval-rst}", f".. auto{kind}:: {name}.{public}", *members, "```"])


def append(_: Sphinx, page: str, source: list[str]) -> None:
    """Append to a page what only the site has."""
    added = [text for name in MODULES for text in reference(name)] if page == REFERENCE else []
    source[0] = "\n\n".join([source[0], *contents(CONTENTS.get(page, {})), *added])


def sections(_: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Make lists of what stands under "Args:"; the extension itself takes words before a colon for a type."""
    del what, name, found, options
    lines[:] = GoogleDocstring(lines).lines()


def setup(app: Sphinx) -> None:
    """Have pages and docstrings changed when they are read; Pygments has no name `csv`."""
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", append)
    app.connect("autodoc-process-docstring", sections)
