"""The report on a ladder that chose its own rungs."""

from support import factories

from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import line, read_records
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.results import load
from labeleff.reporting.study_report import build

AUTO = {"at": [50, 200], "width": 0.4}


def fixed_and_chosen(tmp_path):
    """Folders with the records of all cells: of a fixed ladder, and of the same with `auto`."""
    folders = []
    for name, changes in (("fixed", {}), ("chosen", {"auto": AUTO})):
        made = factories.folder(tmp_path / name, draws=4, **changes)
        folders.append(made)
    return folders


def test_only_what_was_chosen_is_looked_at(tmp_path):
    fixed, chosen = map(load, fixed_and_chosen(tmp_path))
    assert chosen.cell_count == len(chosen.cells) < len(fixed.cells)
    assert {cell.key for cell in chosen.cells} <= {cell.key for cell in fixed.cells}


def test_the_section_lists_every_step(tmp_path):
    _, folder = fixed_and_chosen(tmp_path)
    text = build(folder).read_text()
    part = text[text.index("## How the ladder was chosen") :]
    chooser = next(iter(load(folder).adaptive_ladders.choosers.values()))
    assert "Asked for: U(n) at 50, 200 labels, with ln(high / low) of n1" in part
    assert "a coarse ladder, and what is asked for" in part
    assert chooser.finished in part
    for aim in (aim for step in chooser.steps for aim in step.aims):
        assert f"{aim.arm} at {aim.n:,}: {aim.reason}" in part
    assert "Incomplete" not in text


def test_a_fixed_ladder_has_no_such_section(tmp_path):
    folder, _ = fixed_and_chosen(tmp_path)
    assert "How the ladder was chosen" not in build(folder).read_text()


def test_another_look_leaves_the_choice_as_it_was(tmp_path):
    _, folder = fixed_and_chosen(tmp_path)
    build(folder)
    build(folder, ReportOptions(level=0.8, method="pchip", out=tmp_path / "other"))
    ours, theirs = ((where / "report.md").read_text() for where in (folder, tmp_path / "other"))
    start, end = "## How the ladder was chosen", "## Utility per device-hour"
    assert ours[ours.index(start) : ours.index(end)] == theirs[theirs.index(start) : theirs.index(end)]


def test_an_unfinished_ladder_says_so(tmp_path):
    _, folder = fixed_and_chosen(tmp_path)
    results = load(folder)
    last = next(iter(results.adaptive_ladders.choosers.values())).steps[-1].choices[0]
    kept = []
    records = read_records(folder)
    for entry in [*records.runs, *records.pretrainings.values(), *records.cells.values()]:
        cell = getattr(entry, "cell", None)
        if cell is None or (results.study.arm_of(cell), cell.n, (cell.draw, cell.seed)) != (last.arm, last.n, last.run):
            kept.append(line(entry))
    (folder / FILE_NAME).write_bytes(b"".join(kept))
    text = build(folder).read_text()
    assert "Not finished." in text
    assert "**Incomplete**" in text
