import pytest

from labeleff.engines.resources import Asked, asked


@pytest.mark.parametrize(
    ("gpus", "total", "places"),
    [
        (0.0, {"CPU": 4.0, "memory": 1e9}, 4),
        (0.0, {"CPU": 2.5}, 2),
        (0.0, {}, 0),
        (1.0, {"CPU": 16.0, "GPU": 2.0}, 2),
        (1.0, {"CPU": 16.0}, 0),
        (1.0, {"CPU": 1.0, "GPU": 4.0}, 1),
        (0.5, {"CPU": 16.0, "GPU": 2.0}, 4),
        (0.4, {"CPU": 16.0, "GPU": 2.0}, 4),  # a part lies on one GPU: not five
        (0.1, {"CPU": 16.0, "GPU": 1.0}, 10),
        (0.3333, {"CPU": 16.0, "GPU": 1.0}, 3),
        (0.0001, {"CPU": 64.0, "GPU": 1.0}, 64),
    ],
)
def test_places(gpus, total, places):
    assert Asked(gpus).places(total) == places


def test_what_a_job_takes():
    assert asked("cpu", None) == Asked(0.0)
    assert asked("cuda", None) == Asked(1.0)
    assert asked("cuda", 0.25) == Asked(0.25)
