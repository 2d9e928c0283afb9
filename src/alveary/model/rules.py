"""What must hold between the properties of a rule: which event, which object, which action, on which target.

What does not belong here: what each property may be by itself (``control_edm``), and which events a rule matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from alveary.errors import FIELD_FORMAT, Refusal
from alveary.model.edm_values import LATEST_MS
from alveary.model.entities import JsonValue
from alveary.model.names import is_cell_url, url_form

TIMER_EVENTS: Final = frozenset({"timer.oneshot", "timer.periodic"})
"""The types of events that come from the clock; their object is a time, or a number of minutes."""

DATA_EVENTS: Final = frozenset({"odata.create", "odata.update", "odata.patch"})
"""The types of events that tell of data which can be relayed."""

LOCAL_CELL: Final = "personium-localcell:/"

_TIME: Final = re.compile(r"[0-9]{1,15}")

_OBJECT_FORMS: Final = {False: frozenset({"localcell"}), True: frozenset({"localbox"})}
"""The forms of an internal event's object, by whether the rule is bound to a box."""

_ANYWHERE: Final = frozenset({"http", "localunit", "localcell"})
_TARGET_FORMS: Final[Mapping[tuple[str, bool], frozenset[str]]] = {
    ("exec", False): frozenset({"localcell"}),
    ("exec", True): frozenset({"localbox"}),
    ("relay", False): _ANYWHERE,
    ("relay", True): _ANYWHERE | {"localbox"},
    ("relay.data", False): _ANYWHERE,
    ("relay.data", True): _ANYWHERE | {"localbox"},
}
"""The forms of a target, by the action and by whether the rule is bound to a box."""


def check_rule(values: Mapping[str, JsonValue], *, box_bound: bool, locate: Callable[[str], bool]) -> None:
    """Pass the *values* of a rule, each of which fits by itself, if they fit together.

    *locate* says of a URL whether it is of this unit: such a one must be given in its local form.

    Raises:
        Refusal: FIELD_FORMAT, which names the first property that does not fit.
    """
    action = _text(values, "Action")
    kind = _text(values, "EventType")
    is_timer = kind in TIMER_EVENTS
    external = values.get("EventExternal") is True
    target = _text(values, "TargetUrl")
    fits = {
        "Action": action is not None,
        "EventSubject": _is_portable(_text(values, "EventSubject"), locate),
        "EventExternal": not (external and is_timer),
        "EventType": action != "relay.data" or kind in DATA_EVENTS,
        "EventObject": _object_fits(_text(values, "EventObject"), is_timer, external, box_bound),
        "TargetUrl": _is_portable(target, locate) and _target_fits(target, action or "", box_bound),
    }
    for name, fitting in fits.items():
        if not fitting:
            raise Refusal(FIELD_FORMAT, field=name)


def _text(values: Mapping[str, JsonValue], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None


def _is_portable(url: str | None, locate: Callable[[str], bool]) -> bool:
    """Whether *url* is none that spells out the unit's own address."""
    return url is None or not url.lower().startswith(("http:", "https:")) or not locate(url)


def _object_fits(value: str | None, is_timer: bool, external: bool, box_bound: bool) -> bool:
    if is_timer:
        return value is not None and _TIME.fullmatch(value) is not None and 0 < int(value) <= LATEST_MS
    if value is None or external:
        return True
    form = url_form(value)
    if box_bound and form == "localcell":
        return value.startswith(f"{LOCAL_CELL}__")
    return form in _OBJECT_FORMS[box_bound]


def _target_fits(value: str | None, action: str, box_bound: bool) -> bool:
    if action == "relay.event":
        return value is not None and (value == LOCAL_CELL or is_cell_url(value))
    forms = _TARGET_FORMS.get((action, box_bound))
    return forms is None or (value is not None and url_form(value) in forms)
