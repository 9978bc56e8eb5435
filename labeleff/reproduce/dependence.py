"""Findings: utility depends on task and data, and it is larger for harder data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from labeleff.curves.mean_ratio import MeanRatio
from labeleff.reporting.agreement import interval
from labeleff.reporting.markdown import listed
from labeleff.reporting.measured import Place
from labeleff.reproduce.evidence2020 import JUDGED, Folder, Judgement, Outcome, agreed, order
from labeleff.statistics.rank_correlation import FEWEST, rank_correlation

SHARE = 0.1
"""Pairs whose intervals lie apart, over which utility depends on the task: chance alone parts some two in a hundred."""

Ratios = dict[str, list[tuple[Place, MeanRatio]]]


def ratios(folder: Folder) -> Ratios:
    """Mean label ratios of finetuned arms by name, with the places where they were measured."""
    found: Ratios = {}
    for item in folder.finetuned():
        if item.mean is not None and item.mean.low is not None and item.mean.high is not None:
            found.setdefault(item.arm, []).append((item.place, item.mean))
    return found


def depends_on_task_and_data(folders: Sequence[Folder]) -> Outcome:
    """Compares each arm's mean label ratio between places of one study that share the encoder and the rungs."""
    apart, pairs, arms = 0, 0, []
    for folder in folders:
        for arm, places in ratios(folder).items():
            for (here, one), (there, other) in itertools.combinations(places, 2):
                if here.encoder != there.encoder or one.ns != other.ns:
                    continue
                pairs += 1
                if order((one.low, one.high), (other.low, other.high)):
                    apart += 1
                    arms.append(arm)
    judgement: Judgement = "not tested" if not pairs else "reproduced" if apart > SHARE * pairs else "can't tell"
    evidence = "No study has a finetuned arm on several tasks or several versions of the data."
    if pairs:
        evidence = (
            f"The mean label ratios of one arm on two tasks (or versions of the images) have intervals that lie apart "
            f"in {apart} of {pairs} pairs" + (f" ({listed(dict.fromkeys(arms), ', ')})." if arms else ".")
        )
    return Outcome(judgement, evidence)


def helps_harder_more(folders: Sequence[Folder]) -> Outcome:
    """Ranks versions of one task by the baseline's mean error and by the arms' mean label ratio."""
    judgements: list[Judgement] = []
    told = []
    for folder in folders:
        for arm, places in ratios(folder).items():
            groups: dict[tuple[str, str | None], list[tuple[Place, MeanRatio]]] = {}
            for place, mean in places:
                groups.setdefault((str(place.task).partition("(")[0], place.encoder), []).append((place, mean))
            for (task, _), versions in groups.items():
                if len(versions) < FEWEST:
                    continue
                errors = np.array([[folder.difficulty(place) for place, _ in versions]])
                worths = np.array([[mean.log2 for _, mean in versions]])
                found = rank_correlation(errors, worths, level=folder.findings.measured.level)
                judgements.append(JUDGED[order((0.0, 0.0), (found.low, found.high))])
                told.append(
                    f"{arm} on {len(versions)} versions of {task}: rank correlation of the baseline's error with the "
                    f"mean label ratio {interval(found)}"
                )
    evidence = "; ".join(told) + "." if told else f"No study has {FEWEST} versions of one task's images."
    return Outcome(agreed(judgements), evidence)
