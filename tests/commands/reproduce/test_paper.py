"""The paper's findings, checked on records whose truth is known."""

import re

import numpy as np
import pytest
from support import factories

from labeleff.commands.reproduce.evidence import Criterion, points, read
from labeleff.commands.reproduce.paper import document, outcomes
from labeleff.commands.reproduce.training_findings import _averaged
from labeleff.commands.reproduce.utility_findings import _fall
from labeleff.errors import RecordError
from labeleff.records.entries import Record
from labeleff.seeding import stream_seed
from labeleff.stats.pooling import Effect
from labeleff.stats.rank_correlation import LARGEST, RankCorrelation

RUNGS = [50, 100, 200, 400, 800, 1600]
PRETEXTS = ["rotation", "vae", "cmc", "simclr", "moco", "byol", "simsiam", "dino", "vicreg", "barlow_twins", "lejepa"]
FINETUNED = ["scratch/finetune", "rotation/finetune"]


def folder(path, truth, fitted=1.0, spread=0.004, keep=lambda _: True, axes=None, **changes):
    """Make records in which `truth(task, cell)` is the accuracy of a cell, `task` its number, with noise of `spread`.

    Cells that `keep` refuses weren't measured; `axes` are further keys of the study.
    """
    row = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
    arms = changes.setdefault("arms", FINETUNED)
    names = [arm if isinstance(arm, str) else f"{arm['pretext']}/{arm['protocol']['name']}" for arm in arms]
    used = {part for name in names for part in name.split("/")} - {"scratch", "linear"}
    of = factories.study(**{"budget": dict.fromkeys(used, row), "rungs": RUNGS, **changes, **(axes or {})})
    tasks = [task.label for task in of.tasks]
    entries = [factories.run_entry(of), *factories.pretrainings(of)]
    for cell in filter(keep, of.cells()):
        noise = np.random.default_rng(stream_seed(cell.key)).standard_normal()
        value = truth(tasks.index(cell.task.label), cell) + spread * noise
        training = factories.training() if cell.budget is not None else None
        if training is not None:
            known = fitted if cell.pretext.name == "scratch" else 1.0
            training.history[-1]["accuracy"] = known - 0.001 * cell.seed
        entries.append(
            Record(
                run="r1",
                key=cell.key,
                cell=cell,
                status="ok",
                metrics={"accuracy": float(value)},
                test_count=5000,
                training=training,
            )
        )
    return factories.write(path, entries)


def judged(number, *paths):
    return dict(outcomes(paths))[number]


def shifted(saved):
    """Make the baseline's curve, moved to the left by the given number of labels for pretrained arms."""
    return lambda _, cell: factories.accuracy(cell.n + (saved if cell.pretext.name != "scratch" else 0))


def test_a_saving_of_fixed_size_falls(tmp_path):
    found = judged("1", folder(tmp_path, shifted(150)))
    assert found.judgement == "reproduced"
    assert "the label ratio falls by x" in found.evidence
    assert "(places: 1; by themselves over 0 beyond doubt: 1, under 0: 0)" in found.evidence


def test_a_saving_that_grows_with_the_labels_does_not(tmp_path):
    def truth(_, cell):
        return factories.accuracy(cell.n * (1 if cell.pretext.name == "scratch" else 1.2 * (cell.n / 50) ** 0.25))

    assert judged("1", folder(tmp_path, truth)).judgement in ("not reproduced", "can't tell")


@pytest.mark.parametrize("ratio", [1.5, 2])
def test_a_saving_of_a_fixed_share_does_not(tmp_path, ratio):
    def truth(_, cell):
        return factories.accuracy(cell.n * (1 if cell.pretext.name == "scratch" else ratio))

    found = judged("1", folder(tmp_path, truth))
    assert found.judgement in ("not reproduced", "can't tell")
    assert "beyond doubt: 0, under 0: 0" in found.evidence


def tasks(count):
    return [{"name": "toy/classify", "train": 2000 + place, "test": 1000} for place in range(count)]


def test_utility_that_depends_on_the_task(tmp_path):
    def truth(task, cell):
        return factories.accuracy(cell.n * (1 if cell.pretext.name == "scratch" else 1.2 + task))

    assert judged("2", folder(tmp_path / "a", truth, tasks=tasks(2))).judgement == "reproduced"
    assert judged("2", folder(tmp_path / "b", shifted(150), tasks=tasks(2))).judgement != "reproduced"
    assert judged("2", folder(tmp_path / "c", shifted(150))).judgement == "not tested"


@pytest.mark.parametrize(("sign", "judgement"), [(1, "reproduced"), (-1, "not reproduced")])
def test_harder_data(tmp_path, sign, judgement):
    def truth(task, cell):
        level = task if sign > 0 else 5 - task
        worth = 1 if cell.pretext.name == "scratch" else 1.2 + 0.5 * level
        return factories.accuracy(cell.n * worth) - 0.03 * task

    assert judged("5b", folder(tmp_path, truth, tasks=tasks(6))).judgement == judgement


@pytest.mark.parametrize(
    ("order", "judgement"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "not reproduced"),
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "reproduced"),
        ([5, 8, 1, 10, 3, 0, 7, 2, 9, 4, 6], "can't tell"),
    ],
)
def test_linear_evaluation_as_a_forecast(tmp_path, order, judgement):
    arms = ["scratch/finetune", *(f"{name}/{how}" for name in PRETEXTS for how in ("finetune", "linear"))]

    def truth(_, cell):
        if cell.pretext.name == "scratch":
            return factories.accuracy(cell.n)
        place = PRETEXTS.index(cell.pretext.name)
        return factories.accuracy(cell.n * (1.5 + (place if cell.protocol.name == "finetune" else order[place])))

    assert judged("3", folder(tmp_path, truth, arms=arms)).judgement == judgement


def test_what_only_regularises_and_what_optimises(tmp_path):
    assert judged("4", folder(tmp_path / "a", shifted(150))).judgement == "reproduced"
    assert judged("4", folder(tmp_path / "b", shifted(150), fitted=0.8)).judgement == "not reproduced"


ENCODERS = [{"name": "resnet9", "width": 0.25}, "resnet50"]


def test_larger_networks(tmp_path):
    def truth(_, cell):
        large, pretrained = cell.encoder.name == "resnet50", cell.pretext.name != "scratch"
        worth = (2 if pretrained else 0.7) if large else (1.3 if pretrained else 1)
        return factories.accuracy(cell.n * worth)

    path = folder(tmp_path, truth, encoders=ENCODERS)
    assert judged("5a", path).judgement == "reproduced"
    assert judged("6", path).judgement == "reproduced"
    assert "Compared: resnet50 and resnet9(dim=256, width=0.25) (known) at 50 labels." in judged("6", path).evidence


def test_a_larger_network_that_is_better_anyway(tmp_path):
    def truth(_, cell):
        worth = (2 if cell.encoder.name == "resnet50" else 1) * (1.5 if cell.pretext.name != "scratch" else 1)
        return factories.accuracy(cell.n * worth)

    path = folder(tmp_path, truth, encoders=ENCODERS)
    assert judged("5a", path).judgement != "reproduced"
    assert judged("6", path).judgement == "not reproduced"


@pytest.mark.parametrize(("sign", "judgement"), [(-1, "reproduced"), (1, "not reproduced")])
def test_freezing(tmp_path, sign, judgement):
    stages = ["stem", "layer1", "layer2"]
    arms = [
        *FINETUNED,
        *({"pretext": "rotation", "protocol": {"name": "partial", "frozen": stage}} for stage in stages),
        "rotation/linear",
    ]

    def truth(_, cell):
        frozen = {"finetune": 0, "linear": 4}.get(cell.protocol.name)
        if frozen is None:
            frozen = 1 + stages.index(cell.protocol.options["frozen"])
        return factories.accuracy(cell.n) + sign * 0.02 * frozen

    assert judged("7", folder(tmp_path, truth, arms=arms)).judgement == judgement


def test_the_table_has_every_finding_and_says_what_was_read(tmp_path):
    path = folder(tmp_path, shifted(150))
    text = document([path])
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:] == [
        ":--",
        *["1", "2", "3", "4", "5a", "5b", "6", "7"],
    ]
    assert text.count("**not tested**") == 6
    assert f"`{path}`" in text


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(RecordError, match="records"):
        document([tmp_path])


@pytest.mark.parametrize(
    ("low", "high", "judgement"),
    [(0.01, 0.5, "reproduced"), (-0.1, 0.01, "not reproduced"), (-0.1, 0.03, "can't tell"), (-9, -8, "not reproduced")],
)
def test_an_interval_is_judged_by_what_would_count(low, high, judgement):
    assert Criterion("", 0.02, points).judge(low, high) == judgement


def test_power_is_that_of_the_pooled_effect():
    text = Criterion("It is", 0.02, points).decide([Effect(0.01, 0.01)], "tasks", "").evidence
    assert text == (
        "It is +1.0 points [-0.6 points, +2.6 points] (tasks: 1; by themselves over 0 beyond doubt: 0, under 0: 0). "
        "+2.0 points would count; these runs would show +2.5 points in 80 % of cases, and 1.5 times as many runs "
        "what counts."
    )
    assert Criterion("It is", 0.02, points).decide([], "tasks", "Nothing.").judgement == "not tested"


def places_of(number, *paths):
    """How many places, or studies, the answer to a finding counts."""
    return int(
        re.search(r"\((?:places|studies|places of the larger network): (\d+);", judged(number, *paths).evidence)[1]
    )


def test_runs_that_two_folders_hold_count_once(tmp_path):
    wide = folder(tmp_path / "wide", shifted(150), tasks=tasks(2))
    narrow = folder(tmp_path / "narrow", shifted(150), tasks=tasks(1))
    for paths in ([wide, narrow], [narrow, wide]):
        assert places_of("1", *paths) == 2
        assert sum(len(each.repeated) > 0 for each in read(paths)) == 1
    assert places_of("1", wide, wide) == 2
    assert places_of("1", wide, wide / ".." / "wide") == 2


def test_arms_of_several_folders_that_share_a_baseline_are_one_place(tmp_path):
    paths = [
        folder(tmp_path / pretext, shifted(150), arms=["scratch/finetune", f"{pretext}/finetune"])
        for pretext in ("rotation", "vae", "cmc")
    ]
    assert places_of("1", *paths) == 1
    assert judged("5a", *paths).judgement == "not tested"


def test_an_arm_counts_where_most_of_its_runs_are(tmp_path):
    arms = ["scratch/finetune", "rotation/finetune", "vae/finetune", "cmc/finetune"]
    broad = folder(tmp_path / "broad", shifted(150), arms=arms, draws=2, seeds=2)
    deep = folder(tmp_path / "deep", shifted(150), draws=4, seeds=4)
    repeated = {place_arm[1] for place_arm in read([broad, deep])[0].repeated}
    assert repeated == {"scratch/finetune", "rotation/finetune"}
    assert places_of("1", broad, deep) == 1


@pytest.mark.parametrize(
    "axes",
    [
        {"pretraining": {"at": [0.1, 0.3, 0.5, 0.7, 1.0]}},
        {"noise": {"rate": [0.0, 0.1, 0.2, 0.3, 0.4]}},
    ],
)
def test_points_of_pretraining_and_label_noise_are_no_places(tmp_path, axes):
    def truth(_, cell):
        rate = cell.noise.rate if cell.noise is not None else 0
        return factories.accuracy(cell.n * (1 + 3 * rate + (cell.pretext.name != "scratch"))) - 0.4 * rate

    path = folder(tmp_path, truth, axes=axes)
    assert {number: judged(number, path).judgement for number in ("2", "5b")} == dict.fromkeys(
        ("2", "5b"), "not tested"
    )
    assert places_of("1", path) == 1


def test_versions_of_equal_difficulty_tell_no_slope(tmp_path):
    path = folder(tmp_path, shifted(150), tasks=tasks(5))
    assert judged("5b", path).judgement == "not tested"


def test_encoders_are_compared_over_the_same_rungs_alone(tmp_path):
    whole = folder(tmp_path / "whole", shifted(150), encoders=ENCODERS)
    assert judged("5a", whole).judgement == "not reproduced"
    short = folder(
        tmp_path / "short", shifted(150), encoders=ENCODERS, keep=lambda c: c.encoder.name == "resnet9" or c.n < 800
    )
    assert judged("5a", short).judgement == "not tested"


def test_label_ratios_that_a_ladder_cuts_off_are_left_out(tmp_path):
    def truth(_, cell):
        saved = {"scratch": 1}.get(cell.pretext.name, 100 if cell.encoder.name == "resnet50" else 1.5)
        return factories.accuracy(cell.n * saved)

    found = judged("5a", folder(tmp_path, truth, encoders=ENCODERS))
    assert found.judgement == "not tested"
    assert "Left out: 1 label ratio," in found.evidence


def test_an_encoder_between_two_others_is_no_further_pair(tmp_path):
    path = folder(tmp_path, shifted(150), encoders=[ENCODERS[0], "resnet18", ENCODERS[1]])
    assert places_of("5a", path) == places_of("6", path) == 1


def test_an_arm_without_a_rung_of_the_baseline_is_no_evidence(tmp_path):
    path = folder(tmp_path, shifted(150), keep=lambda cell: (cell.pretext.name == "scratch") == (cell.n >= 400))
    assert judged("1", path).judgement in ("not tested", "can't tell")
    assert judged("4", path).judgement == "not tested"


def test_a_rung_named_beforehand_changes_nothing(tmp_path):
    assert judged("1", folder(tmp_path, shifted(150), axes={"headline": 200})).judgement == "reproduced"


def test_pretexts_are_the_same_in_any_order_of_arms_and_folders(tmp_path):
    def made(name, pretexts, **changes):
        arms = ["scratch/finetune", *(f"{one}/{how}" for one in pretexts for how in ("finetune", "linear"))]

        def truth(_, cell):
            place = PRETEXTS.index(cell.pretext.name) if cell.pretext.name in PRETEXTS else -0.5
            turned = 10 - place if cell.protocol.name == "linear" and name == "turned" else place
            return factories.accuracy(cell.n * (1.5 + turned))

        return folder(tmp_path / name, truth, arms=arms, **changes)

    one = made("one", PRETEXTS)
    turned = made("turned", PRETEXTS[::-1], tasks=[{"name": "toy/classify", "train": 2001, "test": 1000}])
    found = [judged("3", *paths) for paths in ([one, turned], [turned, one])]
    assert found[0].judgement == found[1].judgement == "reproduced", "agreement and its contrary are none together"
    assert found[0].evidence.split(" By place")[0] == found[1].evidence.split(" By place")[0]
    assert judged("3", one, made("again", PRETEXTS)).evidence.count("toy/classify") == 1


def test_the_slope_of_a_fixed_share_is_none(tmp_path):
    """Over studies, the slope of finding 1 at a constant ratio is none, and its interval holds that often enough."""
    slopes = []
    for seed in range(24):
        noise = np.random.default_rng(seed)
        salted = {n: noise.normal(0, 0.012, 3) for n in range(2 * len(RUNGS))}

        def truth(_, cell, salted=salted):
            pretrained = cell.pretext.name != "scratch"
            luck = salted[2 * RUNGS.index(cell.n) + pretrained][cell.draw]
            return factories.accuracy(cell.n * (3 if pretrained else 1)) + luck

        [found] = read([folder(tmp_path / str(seed), truth, spread=0.0, draws=3, seeds=3)])
        slopes += [_fall(found, item) for item in found.finetuned()]
    values = np.array([each.value for each in slopes])
    assert len(values) == 24
    assert abs(values.mean()) < 2.5 * values.std() / len(values) ** 0.5 + 0.02
    assert np.mean([each.ends()[0] > 0 for each in slopes]) <= 0.1
    assert np.median([each.error for each in slopes]) < 3 * values.std()


def test_what_has_no_records_is_passed_over(tmp_path, called_here):
    path = folder(tmp_path, shifted(150))
    (tmp_path / "figures-only").mkdir()
    (tmp_path / "README.md").write_text("")
    status, printed, errors = called_here("reproduce", "paper", path, tmp_path / "figures-only", tmp_path / "README.md")
    assert (status, f"`{path}`" in printed) == (0, True)
    assert errors == "labeleff: passed over, without records.jsonl: figures-only, README.md\n"
    assert called_here("reproduce", "paper", tmp_path / "figures-only")[0] == 2


def test_full_agreement_of_several_groups_of_pretexts_has_a_mean():
    """On Fisher's scale 1 lies at infinity, and its mean with -1 nowhere."""
    ones = [RankCorrelation(5, sign, min(sign, sign * 0.9), max(sign, sign * 0.9)) for sign in (1.0, -1.0)]
    both = _averaged(ones)
    assert both.value == pytest.approx(0.0)
    assert -1 < both.low < both.value < both.high < 1
    assert _averaged(ones[:1]).value == pytest.approx(LARGEST)
