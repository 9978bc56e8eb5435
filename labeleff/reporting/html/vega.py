"""Vega and Vega-Lite as one script, as a package carries them; kept in the cache, as it takes seconds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util

from labeleff.files import cache_folder, write_whole

PACKAGE = "vl-convert-python"
MISSING = f"There are no charts, as the package {PACKAGE} isn't installed: pip install 'labeleff[html]'."


def bundle() -> str | None:
    """The script that defines `vegaEmbed`; None where the package isn't installed."""
    if importlib.util.find_spec("vl_convert") is None:
        return None
    kept = cache_folder() / "vega" / f"embed-{importlib.metadata.version(PACKAGE)}.js"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    with contextlib.suppress(OSError):  # a folder that can't be written costs the time again, and nothing else
        write_whole(kept, text.encode())
    return text
