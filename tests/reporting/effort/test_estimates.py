"""What runs were expected to take beside what they took."""

import pandas as pd
import pytest
from support import factories

from labeleff.records.run_estimate import EstimatedPart, RunEstimate
from labeleff.reporting.study_report import build
from labeleff.scheduling.forecast import estimate_run
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.speeds import Speeds

OF = factories.study()
CELLS = list(OF.cells())


def estimate(cells=CELLS, **changes):
    """That of a run that has these cells and their pretrainings to do."""
    made = estimate_run(jobs_for(cells, lambda _: False), Speeds({}), 2, OF)
    return made.model_copy(update=changes)


def told(path, *entries):
    factories.write(path, entries)
    build(path)
    text, table = (path / "details.md").read_text(), path / "estimates.csv"
    return text, pd.read_csv(table) if table.exists() else None


def test_records_without_an_estimate_have_no_section(tmp_path):
    text, found = told(tmp_path, factories.run_entry(OF), *factories.cell_records(OF))
    assert found is None
    assert "Estimate against actual" not in text


def test_an_estimate_survives_the_file_and_old_entries_are_read(tmp_path):
    from labeleff.records.jsonl import read_records

    entry = factories.run_entry(OF, estimate=estimate(peak_memory=1000))
    old = factories.run_entry(OF, run="old").model_dump(mode="json", exclude={"estimate"})
    factories.write(tmp_path, [type(entry).model_validate(old), entry])
    first, second = read_records(tmp_path).runs
    assert first.estimate is None
    assert second.estimate == entry.estimate


def test_a_whole_run_is_compared_part_by_part(tmp_path):
    entry = factories.run_entry(OF, estimate=estimate(peak_memory=100 * 2**20))
    text, found = told(tmp_path, entry, *factories.pretrainings(OF), *factories.cell_records(OF))
    assert (found["planned"] == found["finished"]).all()
    cells = found[found["what"] == "cells"]
    assert cells["actual_seconds"].sum() == pytest.approx(1.5 * len(CELLS))
    assert found["estimated_seconds"].sum() == pytest.approx(entry.estimate.seconds)
    assert (found["ratio"] * found["actual_seconds"]).to_numpy() == pytest.approx(found["estimated_seconds"].to_numpy())
    section = text[text.index("## Estimate against actual") :]
    assert "rested on a rough guess: estimated" in section
    assert "100 MiB estimated, 118 MiB measured" in section, "the largest of 123,456,789 bytes"
    assert "pieces of work finished" not in section


def test_only_what_a_run_did_itself_is_held_against_its_estimate(tmp_path):
    """The first run was interrupted after one draw; the second had the other two left, and finished one."""
    left = [cell for cell in CELLS if cell.draw]
    records = [
        *factories.cell_records(OF, run="r1", keep=lambda cell: cell.draw == 0),
        *factories.cell_records(OF, run="r2", keep=lambda cell: cell.draw == 1),
    ]
    entries = [
        factories.run_entry(OF, "r1", estimate=estimate()),
        factories.run_entry(OF, "r2", estimate=estimate(left)),
    ]
    text, found = told(tmp_path, *entries, *factories.pretrainings(OF, "r2", cached=True), *records)
    cells = found[found["what"] == "cells"].groupby("run")[["planned", "finished", "estimated_seconds"]].sum()
    third = len(CELLS) // 3
    assert list(cells["finished"]) == [third, third]
    assert list(cells["planned"]) == [3 * third, 2 * third]
    trained = found[found["arm"].str.endswith("/finetune")].groupby("run")["estimated_seconds"].sum()
    assert trained["r1"] == pytest.approx(trained["r2"]), "frozen cells also share encodings, with more or fewer"
    pretrained = found[found["what"] == "pretraining"]
    assert not pretrained["finished"].any(), "encoders from the cache took no time of this run"
    assert f"{third:,} of" in text


def test_failed_cells_are_in_neither(tmp_path):
    records = factories.cell_records(OF)
    failed = [factories.failed(record) if record.cell.n == 20 else record for record in records]
    _, found = told(tmp_path, factories.run_entry(OF, estimate=estimate()), *failed)
    lost = found[(found["what"] == "cells") & (found["n"] == 20)]
    assert not lost["finished"].any()
    assert not lost["estimated_seconds"].any()
    assert lost["actual_seconds"].isna().all()


def test_the_processor_s_clock_stands_beside_the_wall_s(tmp_path):
    records = [item.model_copy(update={"processor_seconds": 0.5}) for item in factories.cell_records(OF)]
    part = next(part for part in estimate().parts if part.what == "cells")
    one = EstimatedPart.model_validate({**part.model_dump(), "seconds": 3.0 * part.count, "speeds": "calibrated"})
    whole = RunEstimate(seconds=1, wall_seconds=1, processes=1, speeds="calibrated", parts=[one])
    text, found = told(tmp_path, factories.run_entry(OF, estimate=whole), *records)
    assert found.loc[0, "processor_seconds"] == pytest.approx(0.5 * part.count)
    assert "rested on a calibration: estimated / actual 2.00, 6.00 of seconds on the processor." in text
