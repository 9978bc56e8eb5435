"""Names of one form, whatever the codes of their characters and the spaces in them."""

from __future__ import annotations

import pytest
from support.grids import grid, observed, values

from labeleff.reporting.external.grid import composed, in_one_form
from labeleff.reporting.external.options import columns, pools
from labeleff.reporting.external.shapes.names import column_names

DECOMPOSED = "cafe\u0301"


@pytest.mark.parametrize(
    ("text", "name"), [(DECOMPOSED, "café"), ("MoCo  v2", "MoCo v2"), ("MoCo\u00a0 v2", "MoCo v2"), ("a\nb", "a\nb")]
)
def test_characters_and_spaces_have_one_form(text: str, name: str) -> None:
    assert composed(text) == name
    once = in_one_form(grid(f"{text.replace(chr(10), '')} | n\nx | 1\n{text.replace(chr(10), '')} | 2"))
    assert once.fields[0] == once.rows[1].cells[0] == name.replace("\n", "")


def test_arms_that_look_the_same_are_the_same() -> None:
    found = observed(f"method | n | acc\ncafé | 10 | 5\n{DECOMPOSED} | 10 | 6\nMoCo v2 | 10 | 7\nMoCo  v2 | 10 | 8")
    assert values(found) == [
        ("café", 10, 0, "5"),
        ("café", 10, 1, "6"),
        ("MoCo v2", 10, 0, "7"),
        ("MoCo v2", 10, 1, "8"),
    ]


def test_what_options_name_has_the_same_form() -> None:
    assert column_names(columns([f"arm={DECOMPOSED}"])) == {"arm": "café"}
    assert pools([f"{DECOMPOSED}=50"]) == {"café": 50}
