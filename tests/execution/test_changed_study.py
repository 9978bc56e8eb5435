"""A changed study into the same folder: said, with the earlier report kept."""

from support import factories

from labeleff.execution.changed_study import announce_changes


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
