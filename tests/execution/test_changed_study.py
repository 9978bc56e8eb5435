"""A changed study into the same folder: said, with the earlier report kept."""

from support import factories, story_records

from labeleff.execution.changed_study import announce_changes, announce_former


def test_changes_are_said_and_the_report_is_kept(tmp_path, capsys):
    of = factories.study()
    runs = [factories.run_entry(of)]
    for name in ("report.md", "utility.csv", "figures/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    announce_changes(of, runs, tmp_path)
    announce_changes(of, [], tmp_path)
    assert not capsys.readouterr().out
    announce_changes(factories.study(draws=5, title="another title"), runs, tmp_path)
    assert capsys.readouterr().out == (
        f"{tmp_path}: its last run was of another study: draws 3 -> 5\n"
        f"its report is kept in {tmp_path / 'earlier-report-r1'}\n"
    )
    kept = {str(path.relative_to(tmp_path / "earlier-report-r1")) for path in tmp_path.rglob("earlier*/**/*.*")}
    assert kept == {"report.md", "utility.csv", "figures/a.png"}
    announce_changes(factories.study(draws=6), runs, tmp_path)  # kept once


def test_cells_of_an_earlier_meaning_are_said_to_be_measured_again(tmp_path, capsys):
    cells = list(story_records.study().cells())
    former = {cell.former.key: story_records.record(cell.former, 0.9, 0.9) for cell in cells[:2]}
    announce_former(cells, former, tmp_path)
    what = "an earlier version held out stories and trained on equal ones"
    assert capsys.readouterr().out == f"{tmp_path}: 2 cells measured again: {what}\n"
    announce_former(cells, former | {cell.key: story_records.record(cell, 0.9, 0.9) for cell in cells[1:2]}, tmp_path)
    assert "1 cell measured again" in capsys.readouterr().out
    announce_former(cells, {}, tmp_path)
    announce_former(list(factories.study().cells()), former, tmp_path)
    assert not capsys.readouterr().out
