"""Conditions that are alike, and those of one task and encoder."""

from __future__ import annotations

from support import factories

from labeleff.catalogue.declaration import Spec
from labeleff.records.conditions import conditions_of, machine, machine_text, table_changes, unlike
from labeleff.records.entries import Conditions

HERE = Conditions(
    device="cpu",
    precision={"a": "fp32", "b": "bf16"},
    torch="2.14",
    data={"t": "00", "u": "11", "v": "2"},
    libraries={"timm": "1.0"},
)


def test_conditions_are_like_themselves():
    assert list(unlike(HERE, HERE)) == []


def test_every_difference_is_named_with_both_values():
    other = {"device": "gpu", "precision": {"a": "bf16"}, "torch": "2.15", "data": {"t": "01", "w": "3"}}
    other = Conditions(**other, libraries={"timm": "1.1", "lightly": "1.5"})
    assert list(unlike(HERE, other)) == [
        ("device", "cpu", "gpu"),
        ("torch", "2.14", "2.15"),
        ("precision of a", "fp32", "bf16"),
        ("data of t", "00", "01"),
        ("timm", "1.0", "1.1"),
    ]


def test_only_what_bears_on_a_task_and_encoder_counts():
    own = conditions_of(HERE, Spec(name="t"), Spec(name="a", options={"width": 0.5, "vectors": "v"}))
    assert (own.precision, own.data) == ({"a": "fp32"}, {"t": "00", "v": "2"})


def test_a_machine_is_its_device_processor_cores_and_workers():
    run = factories.run_entry(factories.study())
    assert machine(run) == {"device": "cpu", "cpu": "a processor", "cores": "2", "jobs": "unknown"}
    assert machine_text(run) == "a processor, 2 cores"


def test_changes_of_a_study_name_tables_and_the_items_of_lists_that_differ():
    shared, left, come = ({"name": name, "options": {"width": 8}} for name in "abc")
    old = {"title": "t", "draws": 3, "tune": None, "gate": {"drop": 1}, "encoders": [shared, left]}
    old |= {"budget": {"linear": {"lr": 0.1, "clip": None}, "finetune": {"lr": 0.1, "steps": {"min": 5}}}}
    new = {"title": "u", "draws": 5, "tune": {"trials": None}, "gate": {}, "encoders": [shared, come]}
    new |= {"budget": {"finetune": {"lr": 0.2, "steps": {"min": 5, "max": 7}}, "knn": {"batch": 64}}}
    assert table_changes(old, new) == [
        "draws 3 -> 5",
        "encoders without [{name = 'b', options = {width = 8}}] and with [{name = 'c', options = {width = 8}}]",
        "budget.finetune.lr 0.1 -> 0.2",
        "budget.finetune.steps.max None -> 7",
        "budget.knn is new",
        "budget.linear is gone",
    ]
    assert table_changes(old, old) == []
    assert table_changes({"rungs": [1, 2]}, {"rungs": [2, 1]}) == ["rungs [1, 2] -> [2, 1]"]
    assert table_changes({"rungs": "auto"}, {"rungs": [2]}) == ["rungs auto -> [2]"]
    assert table_changes({"tune": {}}, {}) == table_changes({}, {"tune": {"trials": None}}) == []
    assert table_changes({"tune": False}, {"tune": {"trials": 3}}) == ["tune False -> {trials = 3}"]
    many = {f"key{i}": i for i in range(30)}
    assert table_changes({}, many)[-1] == "and 10 more"
