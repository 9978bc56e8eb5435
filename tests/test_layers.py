"""The table of layers in code: a module imports only from its own row or the rows above it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "labeleff"
GROUPS = (
    "curves",
    "statistics",
    "adaptive",
    "runs",
    "reporting",
    "tracking",
    "trackers",
    "reproduce",
    "packing",
    "speed",
    "calibration",
)
GROUPING = {"labeleff", *(f"labeleff.{group}" for group in GROUPS)}
LAYERS = [
    {"errors"},
    {"contact_sheet", "statistics.level", "curves.method_table"},
    {"text", "vectors"},
    {"cell", "assignments", "option_values", "seeding", "places", "files", "collection", "metrics", "windows"},
    {"holding", "complaint", "plugin", "ending", "probe", "run_estimate", "price", "durations"},
    {"record", "installed"},
    {"asked", "likeness", "tracking.quantities"},
    {"tracking.patterns", "origin"},
    {"tracking.rules"},
    {"tracking.gate"},
    {
        "ladder",
        "statistics.stats",
        "curves.rungs",
        "curves.interpolation",
        "curves.shapes",
        "curves.families",
        "curves.saturating",
        "curves.bayes",
        "catalogue",
    },
    {"curves.noise", "arms"},
    {"curves.inversion"},
    {"curves.average"},
    {"curves.invert"},
    {
        "curves.utilities",
        "curves.selfstudy",
        "statistics.intervals",
        "statistics.differences",
        "statistics.variance",
        "statistics.power",
        "statistics.ties",
        "statistics.rank_correlation",
        "curves.diagnostics",
    },
    {"curves.break_even", "curves.mean_ratio", "curves.reading", "adaptive.chooser"},
    {"runs.delimited", "runs.table"},
    {"runs.rows"},
    {"runs.reader"},
    {"reporting.measured"},
    {"reporting.comparison", "reporting.targets", "reporting.formulas"},
    {"reporting.findings", "reporting.markdown"},
    {
        "reporting.amounts",
        "reporting.tables",
        "reporting.figures",
        "statistics.change_points",
        "reporting.curve_evidence",
        "reporting.verdict",
        "reporting.explanation",
        "reporting.resolution",
    },
    {"reporting.evidence", "reporting.outputs"},
    {"reporting.utility_figure", "reporting.pretext_figure", "reporting.sections", "runs.selfstudy_table"},
    {"runs.options"},
    {"runs.as_measured"},
    {"goal_checks", "presets", "pretext_checks", "speed.request", "adaptive.auto"},
    {"study"},
    {"speeds"},
    {"jobs", "calibration.kinds"},
    {"estimate"},
    {"adaptive.ladders", "priority"},
    {"reporting.results", "reporting.wishes"},
    {"expectation", "shards", "merging"},
    {"run_options"},
    {"left"},
    {"planning"},
    {"merge_command"},
    {"reporting.rank_agreement"},
    {
        "reporting.throughput",
        "reporting.shortcomings",
        "reporting.agreement",
        "reporting.other_metrics",
        "reporting.device_time",
        "reporting.chosen_ladder",
        "reporting.estimates",
        "reporting.probes",
        "tracking.matching",
        "tracking.change",
        "statistics.holm",
        "tracking.history",
    },
    {
        "reporting.answers",
        "reporting.report2021",
        "tracking.score_changes",
        "tracking.verdicts",
        "tracking.paired_speeds",
    },
    {"tracking.utility_changes", "tracking.speed_changes", "tracking.passed_changes", "tracking.rulings"},
    {"tracking.regression", "tracking.headlines", "tracking.timings", "tracking.history_report"},
    {"tracking.regression_report", "tracking.regression_files", "tracking.history_figure", "tracking.noise_floor"},
    {"tracking.noise_report"},
    {"reporting.answers_report", "reporting.place_figures"},
    {"runs.runs_report"},
    {"reporting.study_report", "trackers.series"},
    {"trackers.event_files", "trackers.mlflow_store"},
    {"trackers.tracker"},
    {"reproduce.published", "reproduce.question"},
    {"reproduce.studies", "reproduce.rows", "speed.outcome"},
    {"reproduce.tables", "speed.document"},
    {"reproduce.document", "speed.terminal"},
    {"reproduce.evidence2020"},
    {
        "reproduce.falling",
        "reproduce.dependence",
        "reproduce.foretelling",
        "reproduce.regularising",
        "reproduce.freezing",
    },
    {"reproduce.network_size"},
    {"reproduce.paper"},
    {"goal", "counter", "colour"},
    {"goals"},
    {"tensors"},
    {"labels", "holdout", "scenes"},
    {"products", "streaming", "one_core"},
    {"widening"},
    {"device", "timing", "rewrite", "pipeline", "cache", "dropout"},
    {"stories", "views", "lab", "banks", "slots"},
    {"labelled", "course"},
    {"packing.graph", "packing.grouped", "packing.stacked", "packing.packs", "packing.updates"},
    {"packing.lockstep", "packing.schedule"},
    {"packing.halving", "packing.probe", "packing.trainer"},
    {"train", "data", "encoders"},
    {"heads"},
    {"pretext", "protocols", "trained"},
    {"scoring", "loaded"},
    {"frozen", "calibration.stand_ins"},
    {"probing", "speed.timed", "speed.roofline"},
    {"run", "speed.cold"},
    {"engines"},
    {"conditions", "readiness"},
    {"time_limit"},
    {"progress"},
    {"execution"},
    {"launch"},
    {"calibration.bench"},
    {"calibration.frozen"},
    {"calibration.timed"},
    {"calibration.workers"},
    {"calibration.command"},
    {"checks"},
    {"ask", "showing"},
    {"measuring_options"},
    {"asking", "reproduce.measuring", "speed.measuring"},
    {"tracking.commands", "reproduce.command", "speed.command"},
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
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module in GROUPING else [node.module]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in inner


def placed(parts):
    """What the table calls a module: its name, the package it is in, or in grouping packages both."""
    return ".".join(parts[:2]) if parts[0] in GROUPS else parts[0]


def files():
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE).with_suffix("")
        if relative.name == "__init__" and relative.parts[0] in GROUPS:
            assert not list(imports(path)), f"{path} groups modules, and is nothing itself"
            continue
        yield path, placed(relative.parts)


def test_every_module_has_a_row():
    known = set().union(*LAYERS)
    found = {module for _, module in files()}
    assert found == known


def test_imports_point_upwards():
    wrong = []
    for path, module in files():
        for name, _ in imports(path):
            if name.startswith("labeleff."):
                other = placed(name.split(".")[1:])
                if other in set().union(*LAYERS) and rank(other) > rank(module):
                    wrong.append(f"{path.name} imports {name}")
    assert not wrong


def test_the_first_rows_are_free_of_torch():
    wrong = [
        path.name
        for path, module in files()
        if rank(module) < TORCH_FREE
        or module in {"cli", "measuring_options", "tracking.commands", "reproduce.command", "speed.command"}
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
