"""Write docs/gallery.md, the first lines and a figure of committed reports: `python docs/gallery.py`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
REPORTS = (
    "cifar10-small",
    "cifar10-medium",
    "freezing",
    "embeddings",
    "probes-cifar10-seeds",
    "forecast/decades",
    "babi",
)
MOST = 3
"""Lines quoted from a report."""
HEAD = """# Gallery

What reports look like: the first lines and a figure of real ones, as committed. All of them are listed in
[`reports`](../reports/README.md), with the machine and the budget behind each. Written by `python docs/gallery.py`.
"""


def quoted(report: str) -> list[str]:
    """The first list items of a report, links within it taken out."""
    return [re.sub(r"\[([^\]]+)\]\(#[^)]*\)", r"\1", line) for line in re.findall(r"^- .*$", report, re.MULTILINE)][
        :MOST
    ]


def entry(folder: str) -> str:
    """Title, quotation, figure and link of a report; a figure of utility where there is one, else the first."""
    report = (ROOT / "reports" / folder / "report.md").read_text(encoding="utf-8")
    title = report.partition("\n")[0].removeprefix("# ")
    figures = re.findall(r"\((figures/[^)]+\.png)\)", report)
    figure = next((one for one in figures if "utility" in one), figures[0])
    lines = "\n".join(f"> {line}" for line in quoted(report))
    where = f"../reports/{folder}"
    return f"## {title}\n\n{lines}\n\n![{title}]({where}/{figure})\n\n[The whole report]({where}/report.md)\n"


def page() -> str:
    """The page as the committed reports have it today."""
    return "\n".join([HEAD, *(entry(folder) for folder in REPORTS)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
