"""Numbers and tables as Markdown text; nothing is rounded earlier."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from labeleff.curves.bounds import Reading
from labeleff.curves.break_even import Crossing
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import FAR
from labeleff.reporting.findings import Share

MOST = 6
"""Largest number of items that a sentence lists."""
OPEN = "…"
"""Text in place of an interval's end on a side where nothing was measured."""
ENDLESS = "no upper limit"
"""Text in place of the upper end of a model's interval that has none."""
CONTENTS = "Places: "
"""Beginning of the line with links to the places."""
_MARK = re.compile(
    r"[*`~]|\\(?=[!-/:-@\[-`{}~])|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)"
    r"|\A[-+#>](?=\s)|(?:(?<=\A\d)|(?<=\A\d\d))[.)](?=\s)"
)
"""Characters that Markdown takes for marks in a name, at its beginning those of lists and headings too; an underscore
within a word is none."""
OWN_FILE = r"(?:(?:(?:figures|as-published|soundly)/)+[A-Za-z0-9_-]+\.[a-z]+|details\.md|#[\w-]+)\)"
"""Pattern of links that a report may have: its own places, files and figures, and the two halves of the repeated
report of 2021."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, *, last: bool = False) -> str:
    """Build a Markdown table, padded so that it reads as text too; line breaks in cells become spaces.

    The first `left` columns are flush left, with `last` also the last one.
    """
    cells = [[re.sub(r"[\r\n]+", " ", text).replace("|", "\\|") for text in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    flush = {*range(left), *([len(header) - 1] if last else [])}

    def line(row: Sequence[str]) -> str:
        padded = (
            text.ljust(width) if column in flush else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (w - 1) if c in flush else "-" * (w - 1) + ":" for c, w in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *(line(row) for row in cells[1:])])


def spelled(text: str, names: frozenset[str]) -> str:
    """Escape what Markdown would take for marks in the names that occur in a text, except within code.

    Between two names such as `SimCLR*` all would be in italics, and the stars would be lost.
    """
    pattern = _names_or_code(names)
    if pattern is None:
        return text
    return pattern.sub(lambda match: _MARK.sub(r"\\\g<0>", match[0]) if match["name"] else match[0], text)


@functools.lru_cache(maxsize=64)
def _names_or_code(names: frozenset[str]) -> re.Pattern[str] | None:
    """Pattern of code and of the names that have marks; None where none has."""
    marked = {name.replace("|", r"\|") for name in names if _MARK.search(name) and re.search(r"\w", name)}
    marked |= {name.replace(r"\|", "|") for name in marked}
    if not marked:
        return None
    longest_first = "|".join(map(re.escape, sorted(marked, key=len, reverse=True)))
    name = rf"(?<!(?<!\*)\*)(?P<name>{longest_first})(?!\*(?!\*))"  # a second star beside it belongs to what is bold
    return re.compile(rf"{name}|```.*?```|`[^`\n]*`", re.DOTALL)


def harmless(document: str) -> str:
    """Escape raw HTML and links in a document, except links to the report's own files.

    Names come from studies, records and tables of other people; a report on them must not run or load anything.
    """
    without_html = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", document)
    without_links = re.sub(rf"\](?=\((?!{OWN_FILE}))", r"]\\", without_html)
    return re.sub(r"^( {0,3}\[[^\]\n]*\])(?=:)", r"\1\\", without_links, flags=re.MULTILINE)


def unmarked(document: str) -> str:
    """Text of a document for a terminal: without links to its own places, and without what `harmless` and `spelled`
    escape by."""
    without_links = re.sub(r"\[([^\]]+)\]\(#[\w-]*\)", r"\1", document)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", without_links).replace("&lt;", "<")


def anchor(heading: str) -> str:
    """Name under which a heading is linked to, by the rule of most renderers of Markdown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(headings: Iterable[str]) -> Iterator[str]:
    """Names under which a document's headings, in order, are linked to: NAME, NAME-1, NAME-2 ... if they are alike."""
    taken: dict[str, int] = {}
    for heading in headings:
        name = free = anchor(heading) or "section"
        while free in taken:
            taken[name] += 1
            free = f"{name}-{taken[name]}"
        taken[free] = 0
        yield free


def bold(text: str) -> str:
    """Set the text in bold."""
    return f"**{text}**"


def count(value: float) -> str:
    """Format a label count: whole under 10,000, three significant digits above, thousands separated by commas."""
    if value >= 10_000:
        digits = len(f"{value:.0f}") - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Format a share in 0..1 as percent with one decimal, without sign; empty for None."""
    return "" if value is None else f"{100 * value:.1f}"


def ratio(value: float) -> str:
    """Format a utility: two decimals under 10, one under 100, none above."""
    size = abs(value)
    text = f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:,.0f}"
    return "0.00" if text == "-0.00" else text


def money(value: float) -> str:
    """Format an amount: about three significant digits, thousands separated by commas."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}" if size >= 0.01 or value == 0 else f"{value:.2g}"


def interval(reading: Reading, show: Callable[[float], str]) -> str:
    """Format an interval as `[low, high]`; OPEN and ENDLESS stand for ends that don't exist."""
    endless = OPEN if reading.p_never is None else ENDLESS
    low, high = reading.low, reading.high
    return f"[{OPEN if low is None else show(low)}, {endless if high is None else show(high)}]"


def extent(reading: Reading) -> str:
    """Distance beyond the ladder in a few words; empty for what lies inside."""
    if reading.kind == "above":
        return "" if reading.p_never is None else f"never: {100 * reading.p_never:.0f} %"
    if reading.factor is None:
        return ""
    return f"extrapolated over x{FAR:g}" if reading.far else f"extrapolated x{reading.factor:.1f}"


def amount(reading: Reading, show: Callable[[float], str]) -> str:
    """Format a number with its interval or bound; `show` formats single values.

    Examples: `2.10 [1.20, 3.40]`, `<= 0.50 […, 0.60]`, `>= 12.3 [9.80, …]`,
    `5.20 [3.10, no upper limit] (extrapolated x1.7)`,
    `> 9.10 (extrapolated over x4)`, `> 9.10 (never: 70 %)`; without interval and tags where no noise was measured.
    """
    if reading.shown == "lower limit" and reading.low is not None:
        return f"> {show(reading.low)} ({extent(reading)})"
    number = reading.value if reading.shown in ("point", "extrapolated") else reading.bound
    assert number is not None
    sign = {"at least": ">= ", "at most": "<= "}.get(reading.shown, "")
    parts = [sign + show(number)]
    if reading.interval:
        parts.append(interval(reading, show))
    if reading.shown == "extrapolated":
        parts.append(f"({extent(reading)})")
    return " ".join(parts)


def portion(share: Share) -> str:
    """Format a share: `25 %`, `<= 25 %`, `25 to 50 %`, or a dash."""
    low, high = (None if end is None else f"{100 * end:.3g}" for end in (share.at_least, share.at_most))
    if share.value is not None:
        return f"{100 * share.value:.3g} %"
    if low is not None and high is not None:
        return f"{low} to {high} %"
    return f">= {low} %" if low is not None else f"<= {high} %" if high is not None else "–"


def mean_ratio(mean: MeanRatio, low: float | None, high: float | None) -> str:
    """Format a mean label ratio with the ends `low` and `high` of an interval, or without where there is none."""
    sign = ">= " if mean.above and not mean.below else "<= " if mean.below and not mean.above else ""
    ends = "" if low is None or high is None else f" {ratio_ends(mean, low, high, ratio)}"
    return f"{sign}{ratio(mean.ratio)}{ends}"


def ratio_ends(mean: MeanRatio, low: float, high: float, show: Callable[[float], str]) -> str:
    """Format an interval of a mean label ratio; ends on the side where it is only bounded are open."""
    return f"[{OPEN if mean.open_low else show(low)}, {OPEN if mean.open_high else show(high)}]"


def joint_ratio(mean: MeanRatio) -> str:
    """Format a mean label ratio with its interval that holds for all arms and rungs of its place.

    Where the study has a headline there is none: the arm's own interval follows, with the word `alone`.
    """
    alone = " alone" if mean.joint_low is None and mean.low is not None else ""
    return f"{mean_ratio(mean, *mean.ends)}{alone}"


def break_even(crossing: Crossing | None) -> str:
    """Format a break-even point: a label count with its interval, or the end of the ladder that it lies beyond."""
    if crossing is None:
        return "not measured"
    if crossing.n is None:
        return f"{'> ' if crossing.kind == 'above' else '< '}{crossing.bound:,}"
    main = f" (main of {crossing.changes})" if crossing.changes > 1 else ""
    if crossing.low is None and crossing.high is None:
        return f"{count(crossing.n)}{main}"
    low = OPEN if crossing.low is None else count(crossing.low)
    high = OPEN if crossing.high is None else count(crossing.high)
    return f"{count(crossing.n)} [{low}, {high}]{main}"


def counts(ns: Iterable[int]) -> str:
    """List label counts in words: `20, 50 and 100`."""
    *most, last = [f"{n:,}" for n in sorted(ns)]
    return f"{', '.join(most)} and {last}" if most else last


def join_texts(texts: Iterable[str], mark: str = "; ") -> str:
    """Join texts with `mark`: the first MOST of them, then the number of those left out."""
    items = list(texts)
    more = f"{mark}and {len(items) - MOST} more" if len(items) > MOST else ""
    return mark.join(items[:MOST]) + more


def at_labels(arms_with_counts: Iterable[tuple[str, Sequence[int]]]) -> str:
    """List arms with their label counts, grouped by equal counts: `a, b at 20 labels; c at 20 and 50 labels`."""
    groups: dict[str, list[str]] = {}
    for arm, ns in arms_with_counts:
        groups.setdefault(f"at {counts(ns)} labels", []).append(arm)
    return join_texts(f"{join_texts(arms, ', ')} {where}" for where, arms in groups.items())


def capital(text: str) -> str:
    """The text with a capital first letter, except where its second letter is one, as in mAP."""
    return text if text[1:2].isupper() else f"{text[0].upper()}{text[1:]}"
