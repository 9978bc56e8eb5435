"""Both commands that read tables have the same options on how to read them."""

import inspect

from labeleff.commands.forecast import forecast
from labeleff.commands.options.reading import reading_of
from labeleff.commands.utility import utility


def test_both_commands_have_them() -> None:
    shared = dict(inspect.signature(reading_of).parameters)
    for command in (utility, forecast):
        parameters = inspect.signature(command).parameters
        assert "reading" not in parameters
        assert {name: parameters[name] for name in shared} == shared


def test_what_they_say() -> None:
    values = {"pool": ["50000", "svhn=604,388"], "per_class": 10, "shape": "by-n", "label_unit": "per-class"}
    defaults = {name: parameter.default for name, parameter in inspect.signature(reading_of).parameters.items()}
    reading = reading_of(**{**defaults, **values})
    assert reading.pools == {None: 50_000, "svhn": 604_388}
    assert (reading.per_class, reading.shape, reading.label_unit) == (10, "by-n", "per class")
