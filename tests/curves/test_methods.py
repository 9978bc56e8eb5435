"""The table of methods against the code that computes them; it loads no numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labeleff.commands.report import METHODS as HELP
from labeleff.curves.interpolation import METHODS
from labeleff.curves.methods import FORMULAS, INTERPOLATIONS, methods, parameters, rungs_needed
from labeleff.curves.shapes import PHIS
from labeleff.errors import UnknownNameError


def test_every_method_has_its_code() -> None:
    assert tuple(METHODS) == INTERPOLATIONS
    assert {formula.phi for formula in FORMULAS.values()} == set(PHIS)
    assert methods() == ["bayes", *METHODS, *FORMULAS]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_has_a_place_for_each_parameter(name: str) -> None:
    formula = FORMULAS[name]
    assert formula.template.format(**{each: f"<{each}>" for each in formula.names}).count("<") >= len(formula.names)
    linear = {"free": 2, "one": 1, "tied": 1}[formula.linear]
    assert len(formula.names) == linear + len(PHIS[formula.phi].ranges(10.0, 100.0)) == parameters(name)
    assert rungs_needed(name) == max(2, parameters(name))


def test_the_command_lists_all_methods() -> None:
    assert HELP == (
        "The baseline's curve: bayes; pchip, log or linear, which stay inside the ladder; or a formula: pow2, pow3, "
        "pow4, exp3, log2, mmf4, wbl4, hill3"
    )
    with pytest.raises(UnknownNameError, match="unknown curve family 'pow33'"):
        parameters("pow33")


def test_the_command_line_and_studies_start_without_numbers() -> None:
    code = (
        "import sys, labeleff.commands.cli; from labeleff.study.loading import load_study; "
        "load_study('smoke', ['curve=\"pow2\"']); "
        "assert not {'numpy', 'scipy'} & set(sys.modules), sorted({'numpy', 'scipy'} & set(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
