"""Words explained once, and linked where they are first used in prose."""

from __future__ import annotations

from labeleff.reporting.glossary import WORDS, linked, section


def test_a_word_is_linked_at_its_first_use_alone() -> None:
    text = linked(["# Arms", "Two arms; an arm has rungs.", "Every arm.", *section()])
    assert text.startswith("# Arms\n\nTwo [arms](#words); an arm has [rungs](#words).\n\nEvery arm.\n\n## Words\n\n")
    assert text.count("](#words)") == 2


def test_tables_figures_code_and_names_have_no_links() -> None:
    paragraphs = [
        "## Seeds",
        "| arm | n |\n| --- | --- |",
        "![draw](figures/draw.png)",
        "`seed`, rotation/arm, arm-1, harm",
    ]
    assert linked([*paragraphs, *section()]).partition("\n\n## Words")[0] == "\n\n".join(paragraphs)


def test_without_the_section_nothing_is_linked() -> None:
    assert linked(["An arm.", "A seed."]) == "An arm.\n\nA seed."


def test_every_word_is_explained_and_what_follows_is_left_alone() -> None:
    text = linked(["A rung.", *section(), "## Reproduce", "an arm"])
    explained = [line for line in text.splitlines() if line.startswith("- **")]
    assert [line.split("**")[1] for line in explained] == [*WORDS]
    assert text.endswith("## Reproduce\n\nan arm")
