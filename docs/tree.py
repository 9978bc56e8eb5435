"""Write the tree of docs/architecture.md from the first docstring line of every module: `python docs/tree.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: written by docs/tree.py -->\n```\n", "```\n<!-- end of tree -->\n"
ORDER = (
    *("errors", "seeding", "files", "stats", "curves", "catalogue", "study", "records", "scheduling", "reporting"),
    *("comparison", "training", "plugins", "execution", "commands", "api", "__init__", "__main__"),
)
"""Names at the top, from the lowest layer to the highest."""
WIDTH = 30


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].removesuffix(".")


def lines(folder: Path, depth: int = 0) -> Iterator[str]:
    """A line per module and folder, a folder's own before what is in it."""

    def place(path: Path) -> tuple[int, bool, str]:
        return ORDER.index(path.stem) if not depth else 0, path.is_dir(), path.name

    entries = [p for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    for path in sorted(entries, key=place):
        if path.name == "__init__.py" and depth:
            continue
        name = "  " * depth + (f"{path.name}/" if path.is_dir() else path.name)
        yield f"{name:<{WIDTH}} {first_line(path / '__init__.py' if path.is_dir() else path)}".rstrip()
        if path.is_dir():
            yield from lines(path, depth + 1)


def page() -> str:
    """The page with its tree as the code has it today."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(lines(ROOT / "labeleff")) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
