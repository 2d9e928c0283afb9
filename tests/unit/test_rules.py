"""What must hold between the properties of a rule, on both sides of each rule."""

from __future__ import annotations

import pytest

from alveary.errors import FIELD_FORMAT, Refusal
from alveary.model.control_edm import ACTIONS
from alveary.model.entities import JsonValue
from alveary.model.rules import check_rule

UNIT = "https://unit.example/"


def misfit(values: dict[str, JsonValue], *, box_bound: bool = False) -> object:
    """The property that does not fit, None when all do."""
    try:
        check_rule(values, box_bound=box_bound, locate=lambda url: url.lower().startswith(UNIT))
    except Refusal as refusal:
        assert refusal.kind is FIELD_FORMAT
        return refusal.params["field"]
    return None


@pytest.mark.parametrize("action", sorted(ACTIONS - {"exec", "relay", "relay.data", "relay.event"}))
def test_an_action_alone_is_a_rule(action: str) -> None:
    assert misfit({"Action": action}) is None


@pytest.mark.parametrize("values", [{}, {"Action": None}])
def test_a_rule_without_an_action_is_refused(values: dict[str, JsonValue]) -> None:
    assert misfit(values) == "Action"


@pytest.mark.parametrize("action", ["exec", "relay", "relay.data", "relay.event"])
def test_an_action_that_needs_a_target_is_refused_without_one(action: str) -> None:
    assert misfit({"Action": action, "EventType": "odata.create"}) == "TargetUrl"


@pytest.mark.parametrize(
    ("subject", "fits"),
    [
        ("https://peer.example/#me", True),
        ("personium-localunit:cell:/#me", True),
        (f"{UNIT}cell/#me", False),
        (f"{UNIT.upper()}cell/#me", False),
    ],
)
def test_a_subject_on_this_unit_is_given_in_its_local_form(subject: str, *, fits: bool) -> None:
    assert misfit({"Action": "log", "EventSubject": subject}) == (None if fits else "EventSubject")


@pytest.mark.parametrize("action", ["relay", "relay.data", "relay.event"])
@pytest.mark.parametrize(("target", "fits"), [("https://peer.example/", True), (f"{UNIT}cell/", False)])
def test_a_target_on_this_unit_is_given_in_its_local_form(action: str, target: str, *, fits: bool) -> None:
    rule: dict[str, JsonValue] = {"Action": action, "EventType": "odata.update", "TargetUrl": target}
    assert misfit(rule) == (None if fits else "TargetUrl")


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("1", True),
        ("253402300799999", True),
        ("253402300800000", False),
        ("0", False),
        ("-1", False),
        ("1.5", False),
        ("", False),
        (None, False),
        ("personium-localcell:/box/", False),
    ],
)
@pytest.mark.parametrize("kind", ["timer.oneshot", "timer.periodic"])
@pytest.mark.parametrize("box_bound", [False, True])
def test_the_object_of_a_timer_is_a_positive_number(
    kind: str, value: str | None, *, fits: bool, box_bound: bool
) -> None:
    rule: dict[str, JsonValue] = {"Action": "log", "EventType": kind, "EventObject": value}
    assert misfit(rule, box_bound=box_bound) == (None if fits else "EventObject")


@pytest.mark.parametrize("kind", ["timer.oneshot", "timer.periodic"])
def test_a_timer_is_no_external_event(kind: str) -> None:
    rule: dict[str, JsonValue] = {"Action": "log", "EventType": kind, "EventObject": "1", "EventExternal": True}
    assert misfit(rule) == "EventExternal"
    assert misfit({**rule, "EventExternal": False}) is None


@pytest.mark.parametrize(
    ("value", "unbound", "bound"),
    [
        (None, True, True),
        ("personium-localcell:/box/col/", True, False),
        ("personium-localcell:/", True, False),
        ("personium-localcell:/__ctl/Role('a')", True, True),
        ("personium-localbox:/col", False, True),
        ("personium-localbox:/", False, True),
        ("personium-localcell:/a/../b", False, False),
        ("personium-localcell:box", False, False),
        ("personium-localcell://", False, False),
        ("https://peer.example/", False, False),
        ("anything", False, False),
        ("personium-localcell:/" + "a" * 1003, True, False),
        ("personium-localcell:/" + "a" * 1004, False, False),
    ],
)
def test_the_object_of_an_internal_event_is_in_the_cell_or_box(
    value: str | None, *, unbound: bool, bound: bool
) -> None:
    rule: dict[str, JsonValue] = {"Action": "log", "EventObject": value}
    assert misfit(rule) == (None if unbound else "EventObject")
    assert misfit(rule, box_bound=True) == (None if bound else "EventObject")


def test_the_object_of_an_external_event_is_free() -> None:
    assert misfit({"Action": "log", "EventExternal": True, "EventObject": "any thing"}) is None


@pytest.mark.parametrize(
    ("kind", "fits"),
    [("odata.create", True), ("odata.update", True), ("odata.patch", True), ("odata.delete", False), (None, False)],
)
def test_data_is_relayed_for_events_of_data_alone(kind: str | None, *, fits: bool) -> None:
    rule: dict[str, JsonValue] = {"Action": "relay.data", "EventType": kind, "TargetUrl": "https://peer.example/in"}
    assert misfit(rule) == (None if fits else "EventType")


@pytest.mark.parametrize(
    ("action", "target", "unbound", "bound"),
    [
        ("exec", "personium-localcell:/box/svc/run", True, False),
        ("exec", "personium-localbox:/svc/run", False, True),
        ("exec", "https://peer.example/run", False, False),
        ("relay", "https://peer.example/in?a=b", True, True),
        ("relay", "http://peer.example", True, True),
        ("relay", "https://peer.example/a/./b", False, False),
        ("relay", "ftp://peer.example/", False, False),
        ("relay", "personium-localunit:cell:/box/svc/in", True, True),
        ("relay", "personium-localunit:/cell/box/svc/in", True, True),
        ("relay", "personium-localcell:/box/svc/in", True, True),
        ("relay", "personium-localbox:/svc/in", False, True),
        ("relay.data", "personium-localbox:/svc/in", False, True),
        ("relay.data", "personium-localcell:/box/svc/in", True, True),
        ("relay.event", "personium-localcell:/", True, True),
        ("relay.event", "personium-localcell:/box/", False, False),
        ("relay.event", "personium-localunit:cell:/", True, True),
        ("relay.event", "https://peer.example/cell/", True, True),
        ("relay.event", "https://peer.example/cell", False, False),
        ("log", "anything", True, True),
    ],
)
def test_a_target_has_the_form_that_the_action_asks_for(
    action: str, target: str, *, unbound: bool, bound: bool
) -> None:
    rule: dict[str, JsonValue] = {"Action": action, "EventType": "odata.create", "TargetUrl": target}
    assert misfit(rule) == (None if unbound else "TargetUrl")
    assert misfit(rule, box_bound=True) == (None if bound else "TargetUrl")
