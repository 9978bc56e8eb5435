"""Changes of utility: against the definition on exact curves, signs, the ladder's ends, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from support import factories, run_pairs

from labeleff.comparison import utility_changes
from labeleff.comparison.change import Exact, Samples
from labeleff.comparison.matching import match
from labeleff.comparison.utility_changes import label_ratios
from labeleff.curves.utility import utility
from labeleff.reporting.results import load


def changes(base, new):
    return {item.subject.name: item for item in utility_changes.utility_changes(match(load(base), load(new)))}


def test_points_are_those_of_pchip_inside_the_ladder(tmp_path):
    """Whatever the study's method: that of "bayes" is the geometric mean of PCHIP's and of a model's."""
    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1))
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2, -0.01))
    found = changes(base, new)
    for side, folder in (("base", base), ("new", new)):
        results = load(folder)
        runs = [results.arm_runs(results.places[0], arm) for arm in ("scratch/finetune", "rotation/finetune")]
        for point in utility(*runs, method="pchip"):
            if point.kind == "inside":
                item = found[f"utility@{point.n}[rotation/finetune]"]
                assert getattr(item, side) == pytest.approx(point.utility, rel=1e-6)


@pytest.mark.parametrize(("name", "value"), [("r2", lambda a: 2 * a - 1), ("rmse", lambda a: 3 - 3 * a)])
def test_a_metric_of_another_scale_and_direction_is_worth_the_same_labels(tmp_path, name, value):
    def measured(record):
        return record.model_copy(update={"metrics": {name: value(record.metrics["accuracy"])}})

    [task] = factories.run_entry(factories.study()).tasks.items()
    run = {"tasks": {task[0]: {**task[1], "metric": name, "chance": value(0.1)}}}
    sides = {
        side: [
            run_pairs.folder(tmp_path / f"{side}-{metric}", again, *changed, run=facts)
            for metric, changed, facts in (("accuracy", [], None), (name, [measured], run))
        ]
        for side, again in (("base", run_pairs.again(1)), ("new", run_pairs.again(2, 0.1)))
    }
    accuracies, others = (changes(*folders) for folders in zip(sides["base"], sides["new"], strict=True))
    assert others.keys() == accuracies.keys()
    for number in (20, 100):
        subject = f"utility@{number}[rotation/finetune]"
        assert others[subject].difference == pytest.approx(accuracies[subject].difference, rel=1e-6)
    found = run_pairs.outcome(sides["base"][1], sides["new"][1])
    assert run_pairs.row(found, f"{name}[rotation/finetune]").verdict == "better"


def test_a_lower_arm_is_worse_and_a_lower_baseline_better(tmp_path):
    def only(arm, shift):
        def change(record):
            return run_pairs.again(2, shift if record.cell.arm == arm else 0.0, 0.002)(record)

        return change

    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1, sd=0.002))
    lower = changes(base, run_pairs.folder(tmp_path / "arm", only("rotation/finetune", -0.05)))
    assert lower["utility[rotation/finetune]"].p_worse() < 0.001
    assert lower["utility@100[rotation/finetune]"].p_worse() < 0.01
    easier = changes(base, run_pairs.folder(tmp_path / "base2", only("scratch/finetune", -0.05)))
    assert easier["utility[rotation/finetune]"].p_better() < 0.001
    notes = easier["utility[rotation/finetune]"].notes
    assert any(note.startswith("the baseline fell: scratch/finetune has 0.") for note in notes)
    assert not any("fell" in note for item in lower.values() for note in item.notes)
    better = changes(base, run_pairs.folder(tmp_path / "arm2", only("rotation/finetune", 0.05)))
    assert not any("fell" in note for item in better.values() for note in item.notes)
    harder = changes(base, run_pairs.folder(tmp_path / "base3", only("scratch/finetune", 0.05)))
    assert harder["utility[rotation/finetune]"].p_worse() < 0.001
    assert any(note.startswith("the baseline rose: ") for note in harder["utility[rotation/finetune]"].notes)
    assert not any("baseline" in n and "ladder" not in n for item in lower.values() for n in item.notes)


def test_the_same_measurements_leave_no_doubt(tmp_path):
    folder = run_pairs.folder(tmp_path)
    for item in changes(folder, folder).values():
        assert (item.uncertainty, item.difference, item.bounded) == (Exact(), 0.0, False)


def test_outside_the_ladder_counts_are_brought_to_its_end(tmp_path):
    """rotation/linear saves 3000 labels, far beyond the last rung of 1000."""
    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1, sd=0.002))
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2, sd=0.002))
    item = changes(base, new)["utility@1000[rotation/linear]"]
    assert (item.base, item.new, item.difference) == (0, 0, 0)
    assert item.bounded
    assert item.notes == ("outside the baseline's ladder in BASE and NEW: brought to its end",)
    assert item.p_worse() > 0.5
    found = run_pairs.outcome(base, new)
    assert run_pairs.row(found, "utility[rotation/linear]").verdict == "can't tell", "no rung has a measured difference"
    assert not changes(base, new)["utility[rotation/finetune]"].bounded, "some rungs have"


def test_single_runs_have_no_interval(tmp_path):
    of = factories.study(draws=1)
    base = run_pairs.folder(tmp_path / "base", of=of)
    item = changes(base, run_pairs.folder(tmp_path / "new", run_pairs.again(2), of=of))[
        "utility@100[rotation/finetune]"
    ]
    assert item.uncertainty is None
    assert item.notes == ("no interval: one run a rung",)


def test_no_baseline_no_utility(tmp_path):
    of = factories.study(baseline="rotation/finetune")
    base = run_pairs.folder(tmp_path / "base")
    assert changes(base, run_pairs.folder(tmp_path / "new", of=of)) == {}


def test_noise_of_one_folder_is_not_the_others():
    """Draws are shared by number, the rest is not: two folders' own noise must not cancel."""
    runs = {n: {(d, d): 0.5 + 0.05 * k + 0.01 * d for d in range(3)} for k, n in enumerate((50, 100, 200))}
    arm = {100: {(d, d): 0.56 + 0.01 * (d == 1) for d in range(3)}}
    first, second = label_ratios(runs, arm, "base", "a/b", "bayes"), label_ratios(runs, arm, "new", "a/b", "bayes")
    assert np.array_equal(first.ratios, second.ratios)
    assert (first.samples - second.samples).std() > 0.3 * first.samples.std()


def truth(n):
    return 0.92 - 1.6 * n**-0.35


def measured(rng, luck, ratio, ns, draws):
    """An arm worth `ratio`: a third of the variance is the luck of the labels, which both folders have."""
    noise = (1 / 3) ** 0.5 * luck + (2 / 3) ** 0.5 * rng.standard_normal((draws, len(ns)))
    table = truth(ratio * ns) + 0.01 * noise
    return {int(n): {(d, d): float(table[d, k]) for d in range(draws)} for k, n in enumerate(ns)}


@pytest.mark.parametrize("after", [2.0, 1.6])
def test_coverage(after, monkeypatch):
    monkeypatch.setattr(utility_changes, "COUNT", 1000)
    ns, hits, ladder = np.array([50.0, 100.0, 200.0, 400.0, 800.0, 1600.0]), [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        luck = rng.standard_normal((3, len(ns)))
        sides = []
        for side, ratio in (("base", 2.0), ("new", after)):
            base, arm = measured(rng, luck, 1.0, ns, 3), measured(rng, luck, ratio, ns, 3)
            sides.append(label_ratios(base, {n: arm[n] for n in (100, 200, 400)}, side, "arm", "bayes"))
        for column in (0, 1, 2, None):
            before, new = (side.utility(column)[1] for side in sides)
            low, high = Samples(np.sort(new - before)).ends(0.9)
            (ladder if column is None else hits).append(low <= after - 2.0 <= high)
    assert 0.86 <= np.mean(hits) <= 1.0
    assert 0.82 <= np.mean(ladder) <= 1.0
