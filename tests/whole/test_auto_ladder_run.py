"""A study whose ladder chooses its rungs, from the command line."""

import json

from support import toy_study

from labeleff.records.jsonl import read_records

AUTO = "auto = { at = [20, 40], width = 2.0 }\nrungs = [10, 20, 40, 80, 100]\n"


def study(folder, name, auto):
    path = folder / f"{name}.toml"
    text = toy_study.TEXT.replace("rungs = [20, 40]", AUTO if auto else AUTO.partition("\n")[2])
    path.write_text(text.replace(', "rotation/knn"]', "]").replace("draws = 2", "draws = 3"))
    return path


def accuracies(folder):
    return {key: record.metrics["accuracy"] for key, record in read_records(folder).cells.items()}


def lines(folder):
    return [json.loads(text) for text in (folder / "records.jsonl").read_text().splitlines()]


def test_it_ends_goes_on_and_gives_the_numbers_of_a_fixed_ladder(command, tmp_path):
    chosen, fixed = study(tmp_path, "chosen", True), study(tmp_path, "fixed", False)
    out = tmp_path / "out"
    done = command("run", chosen, "--out", out, "--time-limit", "0.001")
    assert done.returncode == 4, done.stderr
    [stop] = read_records(out).stops.values()
    assert stop.left > 0
    assert "> **Stopped by the time limit**" in (out / "report.md").read_text()

    done = command("run", chosen, "--out", out)
    assert done.returncode == 0, done.stderr
    text = (out / "report.md").read_text()
    assert "## How the ladder was chosen" in text
    assert "It ended as " in text
    before = lines(out)
    done = command("run", chosen, "--out", out)
    assert done.returncode == 0, done.stderr
    assert lines(out) == before
    assert (out / "report.md").read_text() == text

    done = command("run", fixed, "--out", tmp_path / "all")
    assert done.returncode == 0, done.stderr
    some, every = accuracies(out), accuracies(tmp_path / "all")
    assert some.items() <= every.items()


def test_shards_want_a_fixed_ladder(command, tmp_path):
    done = command("run", study(tmp_path, "chosen", True), "--shard", "1/2")
    assert done.returncode == 2
    assert "--shard: found a study whose ladder is chosen by what is measured" in done.stderr
