"""What users and authors of plug-ins may import: two lists, and nothing heavy before it is asked for."""

import subprocess
import sys

import pytest

import labeleff
from labeleff import api

USERS = [
    *("Forecast", "Inversion", "Mean", "Results", "UtilityPoint", "__version__", "compare", "forecast", "invert"),
    *("load_study", "probe", "read_records", "report", "run", "utility"),
]
PLUGINS = [
    *("Augment", "Batch", "Budget", "CLASSES", "Classes", "Compute", "Depth", "Encoder", "Examples", "Fitted", "Goal"),
    *("Labelled", "LabelledFeatures", "LabeleffError", "Normalisation", "Objective", "PixelClasses", "Plugin"),
    *("PluginError", "Prepared", "PretextRun", "Pretrained", "Progress", "Reader", "ResidentImages", "Slot", "Source"),
    *("Spec", "Task", "Unlabelled", "below", "hash32", "hold_out", "linear_head", "normal", "permutations", "pretext"),
    *("stream_seed", "train", "uniform"),
]


@pytest.mark.parametrize(("module", "names"), [(labeleff, USERS), (api, PLUGINS)], ids=["labeleff", "labeleff.api"])
def test_these_names_are_public_and_there(module, names):
    assert dir(module) == sorted(names)
    for name in names:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_a_folder_does_not_hide_a_function():
    """Importing a part of the package puts no module in the place of a public name."""
    code = (
        "import pkgutil, importlib, labeleff; "
        "[importlib.import_module(m.name) for m in pkgutil.iter_modules(labeleff.__path__, 'labeleff.') "
        "if m.name != 'labeleff.__main__']; "
        "assert all(callable(getattr(labeleff, n)) for n in dir(labeleff) if n != '__version__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_declaring_a_plugin_needs_no_torch():
    code = "import sys; from labeleff.api import Plugin; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
