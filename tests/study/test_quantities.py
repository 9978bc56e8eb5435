"""Directions and scales of compared quantities, by what the catalogue says of metrics."""

import math

import pytest

from labeleff.catalogue.metrics import CALIBRATION, METRICS, PUBLISHED
from labeleff.study.quantities import quantity


@pytest.mark.parametrize("name", [*METRICS, *PUBLISHED, *CALIBRATION])
def test_a_metric_has_the_direction_of_the_catalogue(name):
    found, entry = quantity(name), PUBLISHED[name]
    assert found.higher == (not entry.lower)
    assert found.relative == (entry.lower and math.isinf(entry.worst))


def test_an_unknown_metric_is_judged_by_its_ending():
    assert not quantity("val_loss").higher
    assert quantity("hits").higher
