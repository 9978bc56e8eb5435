import subprocess
import sys

import pytest
import torch

from labeleff import device
from labeleff.errors import OptionError

CPU = torch.device("cpu")


def test_depthwise_encoders_stay_in_fp32_on_cpu(monkeypatch):
    monkeypatch.setattr(device, "_fast_bf16", lambda _: True)
    assert device.choose("mobilenet_v2", "auto", CPU).precision == "fp32"
    assert device.choose("resnet9", "auto", CPU).precision == "bf16"
    assert device.choose("resnet9", "fp32", CPU).precision == "fp32"
    assert device.choose("qrn", "auto", CPU) == device.Compute(CPU, "fp32", "contiguous")
    monkeypatch.setattr(device, "_fast_bf16", lambda _: False)
    assert device.choose("resnet9", "auto", CPU).precision == "fp32"
    assert device.choose("resnet9", "bf16", CPU).precision == "bf16"


def test_only_devices_that_are_there():
    assert device.pick_device("cpu") == CPU
    for name in ("tpu", "meta", "cuda:99", ""):
        with pytest.raises(OptionError, match="--device"):
            device.pick_device(name)


ANEW = """
import torch
from labeleff import device
cpu = torch.device("cpu")
big = torch.ones(64 << 20, dtype=torch.uint8)
before = device.peak_memory(cpu)
del big
print(before, device.peak_memory(cpu) if device.reset_peak_memory(cpu) else "can't")
"""
"""In a process of its own: in an old one what is freed may stay with the allocator."""


def test_a_peak_is_counted_anew():
    told = subprocess.run([sys.executable, "-c", ANEW], capture_output=True, text=True, check=True).stdout
    before, after = told.split(maxsplit=1)
    if after.strip() == "can't":
        pytest.skip("this system can't")
    assert int(after) < int(before) - (32 << 20)


def test_a_parents_memory_is_not_the_childs():
    code = "import torch; from labeleff import device; print(device.peak_memory(torch.device('cpu')))"
    alone = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    big = torch.ones(3 * alone // 2, dtype=torch.uint8)
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert child < 1.2 * alone < len(big)


def test_environment_tells_versions_and_machine():
    facts = device.environment(CPU, 2)
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["device"] == "cpu"
    assert facts["jobs"] == 2
    assert device.peak_memory(CPU) > 1e6
