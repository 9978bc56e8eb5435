"""Finding: linear evaluation does not correlate with finetuning."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.reporting.agreement import interval
from labeleff.reporting.rank_agreement import agreements, together
from labeleff.reproduce.evidence2020 import Folder, Judgement, Outcome, agreed
from labeleff.statistics.rank_correlation import FEWEST, RankCorrelation


def judged_correlation(found: RankCorrelation) -> Judgement:
    """Reproduced: no correlation is shown, and full agreement is excluded."""
    if found.low is None or found.high is None:
        return "not tested"
    if found.low > 0:
        return "not reproduced"
    full = 1.0 if found.ceiling is None else found.ceiling
    return "reproduced" if found.high < full else "can't tell"


def linear_unlike_finetuned(folders: Sequence[Folder]) -> Outcome:
    """Looks at pretexts evaluated by `linear` and by `finetune`; tasks of one study are taken together."""
    judgements: list[Judgement] = []
    told = []
    for folder in folders:
        measured = folder.findings.measured
        pairs = [a for a in agreements(folder.results, measured) if (a.frozen, a.trained) == ("linear", "finetune")]
        told += [f"{measured.settings[item.place].title} ({folder.name}) {interval(item.overall)}" for item in pairs]
        whole = [found for *_, found in together(pairs, measured.level)]
        told += [f"all tasks of {folder.name} {interval(found)}" for found in whole]
        judgements += [judged_correlation(found) for found in whole or [item.overall for item in pairs]]
    evidence = f"No study has {FEWEST} pretexts both by linear evaluation and finetuned."
    if told:
        evidence = f"Rank correlation over pretexts, 1 where both rank alike: {'; '.join(told)}."
    return Outcome(agreed(judgements), evidence)
