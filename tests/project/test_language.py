"""The language of docstrings and comments: first lines that stand alone, rates with "per", no house dialect."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "labeleff"
"""Folders that are checked, with all that is in them; `.` stands for the files at the top alone."""
COUNTED = (
    r"accuracy|accuracies|amounts?|arms?|batches|bytes|calls?|cells?|class|classes|columns?|counts?|curves?|differences?"
    r"|draws?|entry|entries|epochs?|examples?|files?|folders?|functions?|images|intervals?|inversions?|jobs?|labels?"
    r"|lines?|means?|models?|numbers?|objects?|once|one|points?|process|processes|questions?|ratios?|records?|rows?"
    r"|runs?|scores?|seconds|seeds|sequences?|slots?|splits?|steps|stories|tasks?|threads?|values?|words"
)
UNIT = (
    r"arm|axis|batch|cell|class|combination|core|curve|draw|encoder|epoch|file|hour|image|job|kind|label|label count"
    r"|line|metric|minute|model|panel|pixel|place|pretext|probability|process|protocol|row|run|rung|second|section|seed"
    r"|shared rung|slot|step|story|target|task|word"
)
DISTRIBUTIVE = re.compile(rf"\b({COUNTED}) an? ({UNIT})\b(?! of| that|'s| has| shows| gives| takes| needs)")
"""A rate written with an article, as in "steps a cell"; English has "per" for it, and the article in clauses alone."""
ALLOWED = ()
"""Texts that look like a rate and are right English."""
DIALECT = re.compile(r"\b(so many|told right|foretells?|the better the (smaller|larger|lower|higher))\b")
FIRST = re.compile(r"^(Of|As|By)\b")
FRAGMENT = re.compile(r"^(?![a-z]+[A-Z(_.-])[a-z]{2,}")
"""A lower-case beginning that is no name in code; names stand in backticks."""
NAMES = ("numpy", "torch", "torchvision", "labeleff", "phi", "kind", "ln")
"""Names that begin a line in lower case."""


def modules():
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def docstrings(tree):
    """(line, text) of every docstring: of modules, classes and functions, and of names, after their assignments."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for place, statement in enumerate(body):
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                continue
            before = body[place - 1] if place else None
            first = before is None and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            if isinstance(statement.value.value, str) and (first or isinstance(before, ast.Assign | ast.AnnAssign)):
                yield statement.lineno, statement.value.value


def prose(path):
    """(line, text) of all docstrings, with their line breaks as spaces, and of all comments."""
    source = path.read_text(encoding="utf-8")
    for line, text in docstrings(ast.parse(source)):
        yield line, " ".join(text.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def stands_alone(text):
    """Whether the first line of a docstring is no fragment that continues a name."""
    line = text.strip().partition("\n")[0]
    return not FIRST.match(line) and (line.startswith(NAMES) or not FRAGMENT.match(line))


def dialect(text):
    """Rates with an article, and words that only this project has."""
    rates = [match for match in DISTRIBUTIVE.finditer(text) if match.group() not in ALLOWED]
    return [match.group() for match in (*rates, *DIALECT.finditer(text))]


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_first_lines_stand_alone(path):
    source = ast.parse(path.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in docstrings(source) if not stands_alone(text)] == []


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rates_have_per_and_words_are_plain(path):
    assert [(line, words) for line, text in prose(path) for words in dialect(text)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One row an arm and rung.", ["row an arm"]),
        ("images a second, steps a cell", ["images a second", "steps a cell"]),
        ("training on so many examples", ["so many"]),
        ("Ranks: the better the smaller.", ["the better the smaller"]),
        ("one row per arm; the class a pixel shows; a label of a row", []),
    ],
)
def test_dialect_is_found(text, words):
    assert dialect(text) == words


@pytest.mark.parametrize("text", ["Of the misfit.", "As records have it.", "By name.", "of the means", "what it says"])
def test_fragments_are_found(text):
    assert not stands_alone(text)


@pytest.mark.parametrize(
    "text", ["`pchip` draws.", "U(n) by rung.", "phi at u.", "k-means.", "n labels", "(R,): means."]
)
def test_names_may_begin_a_line(text):
    assert stands_alone(text)
