"""Values derived from measured windows, against sums by hand, and the report of 2021 beside them."""

import dataclasses
import json

import pytest

from labeleff.catalogue.declaration import Spec
from labeleff.commands.bench.document import as_json, csv, markdown
from labeleff.commands.bench.outcome import Cold, Machine, Outcome, Timings, printed_number
from labeleff.commands.bench.request import Work
from labeleff.comparison.benchmark_json import entry

MOBILENET = Spec(name="mobilenet_v2")
CONVOLUTION = Machine("a convolution", "fp32", 5e10)
PACKED = Outcome(
    Work("finetune", MOBILENET, 64, 4),
    "fp32",
    "channels_last",
    rates=[900.0, 1000.0, 1100.0],
    warm_up=10.0,
    peak_memory=10**9,
    packing="grouped",
    example_operations=36.3e6,
    product=1.7e11,
    convolution=CONVOLUTION,
)
ROTATION = dataclasses.replace(PACKED, work=Work("rotation", MOBILENET, 64, 1), packing="loop")
FAILED = Outcome(Work("joint", MOBILENET, 128, 64), "fp32", "channels_last", reason="out of memory")
ENVIRONMENT = {
    "device": "cpu",
    "cpu": "a processor",
    "cores": 2,
    "load_average": 0.5,
    "versions": {"torch": "2.9.0", "labeleff": "0.1.0", "python": "3.12.1"},
    "git": {"commit": "abc", "dirty": False},
}
COLD = Cold("mobilenet_v2", [1.0, 1.2, 1.1], [2.0, 2.2, 2.1], [3.0, 3.3, 3.1])
TIMINGS = Timings(
    ["labeleff", "bench"],
    "2026-01-02T03:04:05+00:00",
    1,
    ENVIRONMENT,
    [PACKED, ROTATION, FAILED],
    [CONVOLUTION],
    [COLD],
)


def test_a_pack_shares_its_rate():
    assert PACKED.rate == 1000
    assert PACKED.cell_rate == 250
    assert PACKED.step == pytest.approx(64 * 4 / 1000)
    assert PACKED.epoch == pytest.approx(200 / 250)
    assert PACKED.quartiles == (950, 1000, 1050)


def test_shares_are_of_the_measured_peaks():
    assert PACKED.product_share == pytest.approx(36.3e6 * 1000 / 1.7e11)
    assert PACKED.convolution_share == pytest.approx(36.3e6 * 1000 / 5e10)
    assert dataclasses.replace(PACKED, example_operations=None).product_share is None


@pytest.mark.parametrize(
    ("part", "encoder", "batch", "unit", "value"),
    [
        ("rotation", "mobilenet_v2", 64, "s", 31),
        ("rotation", "mobilenet_v2", 64, "ms", (40, 41)),
        ("finetune", "mobilenet_v2", 64, "ms", 38),
        ("joint", "mobilenet_v2", 128, "s", 24),
        ("evaluation", "mobilenet_v2", 500, "s", 5),
        ("reading", "memnet", 32, "s", 16),
    ],
)
def test_the_report_of_2021_beside_the_same_work(part, encoder, batch, unit, value):
    assert printed_number(Work(part, Spec(name=encoder), batch, 1), unit).value == value


@pytest.mark.parametrize(
    ("part", "encoder", "batch", "pack", "unit"),
    [
        ("rotation", "resnet9", 64, 1, "s"),
        ("rotation", "mobilenet_v2", 32, 1, "s"),
        ("finetune", "mobilenet_v2", 64, 4, "ms"),
        ("finetune", "mobilenet_v2", 64, 1, "s"),
        ("evaluation", "mobilenet_v2", 500, 1, "ms"),
    ],
)
def test_nothing_of_2021_stands_beside_other_work(part, encoder, batch, pack, unit):
    assert printed_number(Work(part, Spec(name=encoder), batch, pack), unit) is None


def test_the_documents_have_it_all():
    text = markdown(TIMINGS)
    assert "out of memory" in text
    assert "other hardware" in text
    assert "| rotation | mobilenet_v2 | s an epoch | 31" in text.replace("  ", "")
    lines = csv(TIMINGS).decode().splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("finetune,mobilenet_v2,64,4,1000,950,1050,3,10,250,")


def test_history_reads_the_json(tmp_path):
    path = tmp_path / "bench.json"
    path.write_bytes(as_json(TIMINGS))
    found = entry(path)
    rates = {subject.arm or str(subject): value.value for subject, value in found.values.items()}
    assert [round(rate) for rate in rates.values()] == [1000, 1000]
    assert found.origin.commit == "abc"
    raw = json.loads(path.read_text())["labeleff"]
    assert raw["outcomes"][2]["reason"] == "out of memory"
    assert raw["cold"][0]["stepped"] == [3.0, 3.3, 3.1]
