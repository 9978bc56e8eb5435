"""The table of layers in code: a module imports only from its own row or the rows above it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "labeleff"
LAYERS = [
    {"errors"},
    {"contact_sheet"},
    {"text", "vectors"},
    {"cell", "seeding", "places", "files", "collection", "metrics"},
    {"record", "complaint", "plugin"},
    {"installed"},
    {"asked", "likeness", "quantities"},
    {"patterns", "origin"},
    {"rules"},
    {"gate"},
    {"ladder", "stats", "rungs", "interpolation", "shapes", "families", "saturating", "bayes", "catalogue"},
    {"noise", "arms"},
    {"inversion"},
    {"average"},
    {"curve"},
    {"utilities", "selfstudy", "intervals", "differences", "variance", "power", "ties", "diagnostics"},
    {"break_even", "mean_ratio", "reading"},
    {"delimited", "runs_table"},
    {"runs_rows"},
    {"runs_csv"},
    {"measured"},
    {"comparison", "targets", "formulas"},
    {"findings", "markdown"},
    {"amounts", "tables", "figures", "change_points", "curve_evidence", "verdict", "explanation", "resolution"},
    {"evidence"},
    {"utility_figure", "sections", "selfstudy_table"},
    {"outputs"},
    {"runs_options"},
    {"runs_measured"},
    {"runs_report"},
    {"goal_checks", "presets", "pretext_checks"},
    {"study"},
    {"results", "jobs", "estimate", "planning", "wishes"},
    {"throughput", "shortcomings", "other_metrics", "matching", "change", "holm", "history"},
    {"answers", "report2021", "score_changes", "verdicts", "paired_speeds"},
    {"utility_changes", "speed_changes", "passed_changes", "rulings"},
    {"regression", "headlines", "timings", "history_report"},
    {"regression_report", "regression_files", "history_figure", "noise_floor"},
    {"noise_report"},
    {"answers_report"},
    {"report"},
    {"goal", "counter", "colour"},
    {"goals"},
    {"tensors"},
    {"labels", "holdout", "scenes"},
    {"device", "timing", "rewrite", "pipeline", "cache"},
    {"stories", "views", "lab"},
    {"labelled"},
    {"train", "data", "encoders"},
    {"heads"},
    {"pretext", "protocols", "trained"},
    {"scoring"},
    {"frozen"},
    {"run"},
    {"engines"},
    {"conditions"},
    {"progress", "launch"},
    {"checks"},
    {"ask", "showing"},
    {"asking"},
    {"tracking"},
    {"cli"},
    {"__init__", "__main__"},
]
TORCH_FREE = LAYERS.index({"goal", "counter", "colour"})
"""The first rows, that must not import torch."""


def rank(module):
    return next(place for place, row in enumerate(LAYERS) if module in row)


def imports(path):
    """(module, whether at import time) of every import in a file."""
    tree = ast.parse(path.read_text())
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "labeleff" else [node.module]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in inner


def files():
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        yield path, relative.parts[0].removesuffix(".py")


def test_every_module_has_a_row():
    known = set().union(*LAYERS)
    found = {module for _, module in files()}
    assert found == known


def test_imports_point_upwards():
    wrong = []
    for path, module in files():
        for name, _ in imports(path):
            if name.startswith("labeleff."):
                other = name.split(".")[1]
                if other in set().union(*LAYERS) and rank(other) > rank(module):
                    wrong.append(f"{path.name} imports {name}")
    assert not wrong


def test_the_first_rows_are_free_of_torch():
    wrong = [
        path.name
        for path, module in files()
        if rank(module) < TORCH_FREE or module in {"cli", "tracking"}
        for name, _ in imports(path)
        if name.split(".")[0] in {"torch", "torchvision", "safetensors"}
    ]
    assert not wrong


def test_torch_is_not_imported_at_start_by_what_only_reads():
    at_start = {
        (module, name.split(".")[0])
        for path, module in files()
        if module in {"cli", "planning"}
        for name, early in imports(path)
        if early
    }
    assert ("cli", "torch") not in at_start
