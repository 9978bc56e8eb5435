"""Names by which a baseline is recognised."""

from labeleff.reporting.external.baseline_names import BASELINES, like_baseline


def test_names() -> None:
    assert like_baseline(BASELINES) == list(BASELINES)
    assert like_baseline(["From_Scratch", "ours: scratch", "simclr", "scratch+", "scratch-finetune"]) == [
        "From_Scratch",
        "ours: scratch",
        "scratch-finetune",
    ]
