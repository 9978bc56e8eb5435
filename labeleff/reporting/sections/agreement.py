"""Agreement of frozen evaluation with finetuning: ranks of the pretexts by both.

Newell and Deng (2020, abstract): "linear evaluation does not correlate with finetuning performance".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.rank_agreement import Agreement, pool_places
from labeleff.stats.rank_correlation import RankCorrelation

AGREEMENT = columns("task encoder frozen trained n pretexts correlation low high ceiling")
"""`correlation`: Spearman's, of the pretexts' means by two protocols, with its interval over pretexts; `n`: the rung,
empty for the mean over all of them; `ceiling`: what it would be if only noise kept the two apart."""


def to_files(agreements: Sequence[Agreement]) -> dict[str, bytes]:
    """Content of `agreement.csv` by file name; empty where it has no rows."""
    rows = [row for item in agreements for row in _rows(item)]
    return {"agreement.csv": to_csv(frame(rows, AGREEMENT))} if rows else {}


def _rows(item: Agreement) -> Iterator[Row]:
    for n, one in [(None, item.overall), *zip(item.rungs, item.by_rung, strict=True)]:
        yield {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "frozen": item.frozen,
            "trained": item.trained,
            "n": n,
            "pretexts": one.methods,
            "correlation": one.value,
            "low": one.low,
            "high": one.high,
            "ceiling": one.ceiling,
        }


def verdict(agreements: Sequence[Agreement], measured: Measurements) -> Iterator[str]:
    """Sentences for the verdict, one per pair of protocols, over all places."""
    alone = {(item.frozen, item.trained): item for item in agreements}
    several = list(pool_places(agreements, measured.level))
    for frozen, trained, places, correlation in several:
        yield (
            f"By {frozen} evaluation and by {trained} the pretexts' ranks agree to {interval(correlation)} over "
            f"{places} places (1: wholly, 0: not at all): {words(correlation)}"
        )
    if not several and len(agreements) == len(alone):
        for (frozen, trained), item in alone.items():
            yield (
                f"By {frozen} evaluation and by {trained} the pretexts' ranks agree to {interval(item.overall)} "
                f"(1: wholly, 0: not at all): {words(item.overall)}"
            )


def section(agreements: Sequence[Agreement], place: Place, measured: Measurements) -> Section:
    """Section with one table row and one sentence per pair of protocols; empty where there is no pair."""
    return Section([*_paragraphs(agreements, place, measured)])


def _paragraphs(agreements: Sequence[Agreement], place: Place, measured: Measurements) -> Iterator[str]:
    items = [item for item in agreements if item.place == place]
    if not items:
        return
    yield "### Does frozen evaluation foretell finetuning?"
    rungs = items[0].rungs
    rows = [
        [f"{item.frozen}, {item.trained}", str(len(item.pretexts)), interval(item.overall)]
        + ["–" if item.overall.ceiling is None else f"{item.overall.ceiling:.2f}"]
        + [f"{one.value:.2f}" for one in item.by_rung]
        for item in items
    ]
    yield table(["ranks by", "pretexts", "mean over rungs", "ceiling", *(f"n = {n:,}" for n in rungs)], rows)
    yield "\n".join(f"- {item.frozen} and {item.trained}: {words(item.overall)}" for item in items)
    yield (
        "Spearman's correlation of the pretexts' means; 1: both rank them alike, 0: one says nothing of the other. "
        f"The {100 * measured.level:g} % interval is over pretexts (jackknife): what might be seen with other pretexts "
        "like these. The ceiling is what it would come to if noise of the runs alone kept the two rankings apart."
    )


def interval(correlation: RankCorrelation) -> str:
    """Format a correlation with its interval: `0.31 [-0.20, 0.69]`."""
    low, high = correlation.low, correlation.high
    ends = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    return f"{correlation.value:.2f}{ends}"


def words(correlation: RankCorrelation) -> str:
    """Interpret the interval of a correlation, in one sentence."""
    low, high, ceiling = correlation.low, correlation.high, correlation.ceiling
    if low is None or high is None:
        return "too few pretexts for an interval."
    if high < 0:
        return "what ranks high by one ranks low by the other."
    if low > 0:
        return "what ranks high by one ranks high by the other, beyond doubt."
    if ceiling is not None and high < ceiling:
        return "no agreement is shown, and less than noise would leave of a full one."
    limit = "" if ceiling is None else f", which itself would show {ceiling:.2f}"
    return f"no agreement is shown; so few pretexts and so much noise don't exclude a full one{limit}."
