"""Text of reports as tests look at it."""

from __future__ import annotations

import re


def unlinked(text: str) -> str:
    """A report without its links to the glossary and to places."""
    return re.sub(r"\[([^\]]+)\]\(#[\w-]*\)", r"\1", text)


def head_of(text: str) -> str:
    """What stands between a report's title and its first section, without links."""
    return unlinked(text).partition("\n## ")[0].partition("\n")[2].strip()
