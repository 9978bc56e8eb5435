"""The layout as rules: folders are layers, nothing imports upwards or in a circle, and files stay small."""

import ast
import re
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "labeleff"
LAYERS = [
    ["errors", "seeding", "files"],
    ["stats"],
    ["curves"],
    ["catalogue"],
    ["study"],
    ["records"],
    ["scheduling"],
    ["reporting"],
    ["comparison"],
    ["training"],
    ["plugins.tasks", "plugins.encoders"],
    ["plugins.pretexts", "plugins.protocols", "plugins.strategies"],
    ["execution"],
    ["commands"],
    ["api", "__init__", "__main__"],
]
"""Rows from the bottom to the top: a module imports from its own folder or from a row above its own in this list."""
TORCH = {"torch", "torchvision", "safetensors"}
FIRST_WITH_TORCH = LAYERS.index(["training"])
INFLECTIONS = r"(s|es|d|ed|er|ers|ing|ings|ion|ions)"
"""Endings by which no two names in one folder may differ."""


def rank(name):
    """Find the row of a dotted name within the package, e.g. `stats.power`; None for what is no module of a row."""
    return next((row for row, folders in enumerate(LAYERS) for f in folders if f"{name}.".startswith(f"{f}.")), None)


def files():
    """List (dotted name within the package, path) of every module with code; `__init__` of folders hold a docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] != "__init__" or len(parts) == 1:
            yield ".".join(parts), path


FILES = dict(files())


def imports(path):
    """List (imported dotted name, whether at import time) of a file; names of `from` imports one by one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing = {id(n) for block in tree.body if isinstance(block, ast.If) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in inner | typing


def module_of(name):
    """Find the module of this package that an imported name is or is in; None for other packages."""
    parts = name.split(".")
    if parts[0] != "labeleff":
        return None
    inside = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
    return next((one for one in inside if one in FILES), "__init__")


def test_every_module_has_a_layer_and_the_top_is_small():
    assert [name for name in FILES if rank(name) is None] == []
    assert len([name for name in FILES if "." not in name]) == 6
    assert len([folder for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name != "__pycache__"]) == 12


def test_folders_hold_a_docstring_alone():
    for path in PACKAGE.rglob("*/__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, path
        assert isinstance(body[0].value.value, str), path


def test_no_import_goes_up():
    wrong = []
    for name, path in FILES.items():
        for imported, _ in imports(path):
            other = module_of(imported)
            if other is None:
                continue
            folders = LAYERS[rank(name)]
            own = next(folder for folder in folders if f"{name}.".startswith(f"{folder}."))
            same = f"{other}.".startswith(f"{own}.") or rank(name) in {0, len(LAYERS) - 1}
            if rank(other) > rank(name) or (rank(other) == rank(name) and not same):
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_no_import_goes_in_a_circle():
    needs = {n: {module_of(i) for i, early in imports(p) if early} - {None, n} for n, p in FILES.items()}
    settled = set()
    while True:
        ready = {name for name in needs.keys() - settled if needs[name] <= settled}
        if not ready:
            break
        settled |= ready
    assert sorted(needs.keys() - settled) == []


def test_the_first_layers_are_free_of_torch():
    wrong = [
        f"{name} imports {imported}"
        for name, path in FILES.items()
        if rank(name) < FIRST_WITH_TORCH
        for imported, _ in imports(path)
        if imported.split(".")[0] in TORCH
    ]
    assert not wrong


def test_commands_import_torch_inside_functions_or_in_files_of_their_own():
    """What the command line imports at its start, file by file, never reaches torch."""
    seen, wrong, left = set(), [], ["commands.cli"]
    while left:
        name = left.pop()
        if name in seen or name is None:
            continue
        seen.add(name)
        for imported, early in imports(FILES[name]):
            if early and imported.split(".")[0] in TORCH:
                wrong.append(name)
            left += [module_of(imported)] if early else []
    assert not wrong


@pytest.mark.parametrize("most", [20])
def test_no_folder_has_too_many_files(most):
    counts = defaultdict(list)
    for name in FILES:
        counts[name.rpartition(".")[0]].append(name)
    assert {folder: len(names) for folder, names in counts.items() if len(names) > most} == {}
    assert len(FILES) <= 500


def lengths(path):
    """List (name, lines) of a file and of every function in it."""
    text = path.read_text(encoding="utf-8")
    yield "", len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_files_and_functions_can_be_read():
    long = [f"{n} {f}: {c}" for n, p in FILES.items() for f, c in lengths(p) if c > (60 if f else 350)]
    assert not long


def test_no_two_names_in_sight_differ_by_an_ending():
    near = defaultdict(list)
    for name in FILES:
        near[rank(name)].append(name)
    wrong = []
    for row in near:
        sight = near[row] + near.get(row + 1, [])
        for one, other in combinations(sorted({name.rpartition(".")[2] for name in sight}), 2):
            if re.fullmatch(re.escape(one) + INFLECTIONS, other) or (
                one[-1] in "ey" and re.fullmatch(re.escape(one[:-1]) + INFLECTIONS, other)
            ):
                wrong.append((row, one, other))
    assert not wrong
