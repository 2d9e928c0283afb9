"""Who may do what: every route, every method and every kind of subject, in both styles of URLs, as it is specified.

The tables of this folder say what each request needs (``rows``), what each subject has (``principals``) and what
follows (``expected``). Each test sends its rows as each of its subjects and tells every answer that is another one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product

import pytest

from alveary.boot.routes import FACES, ROUTES
from tests.authorization.expected import ALLOWED, challenges, verdict
from tests.authorization.principals import (
    APPS,
    FURTHER,
    IN_BOXES,
    IN_COLLECTIONS,
    KINDS,
    OF_ENDS,
    ON_CELL,
    Principal,
    Said,
    told_apart,
)
from tests.authorization.rows import (
    ALL_ROWS,
    AWAITED,
    CELL_ROWS,
    COLLECTIONS,
    CONTROL_LINK_ROWS,
    CONTROL_ROWS,
    DATA_ROWS,
    FILE_ROWS,
    NOTHING,
    OF_EACH_PLACE,
    UNIT_ROWS,
    Row,
    one_of_each_need,
)
from tests.authorization.worlds import (
    CLOSED,
    MAIN_BOX,
    OF_APPS,
    OPEN,
    Ground,
    Heard,
    Line,
    Stage,
    World,
    build,
    ground,
)

Stages = Mapping[World, Stage]

EVERYONE = (*KINDS, *FURTHER)


def of_names(*names: str) -> tuple[Principal, ...]:
    """Those of these names."""
    return tuple(who for who in KINDS if who.name in names)


FEW = of_names("nobody", "no roles", "root", "Basic of root", "master as the owner")
OF_EACH_NEED = one_of_each_need(ALL_ROWS)
STRAIGHT_LINK_ROWS = [row for row in CONTROL_LINK_ROWS if row.method == "DELETE" or not row.path.endswith("('x')")]
(MASTER,) = of_names("master")

FOR_ALL = told_apart(KINDS)
FOR_APPS = told_apart((*KINDS, *APPS))
WORLDS: Mapping[str, Mapping[World, Sequence[Principal]]] = {
    "path": {
        CLOSED: (*KINDS, *ON_CELL, *OF_ENDS, *IN_BOXES),
        **dict.fromkeys(OPEN, FOR_ALL),
        **dict.fromkeys((MAIN_BOX, *OF_APPS), FOR_APPS),
    },
    "host": {
        CLOSED: EVERYONE,
        **dict.fromkeys(OPEN[:1], FOR_ALL),
        **dict.fromkeys((MAIN_BOX, *OF_APPS[2:4]), FOR_APPS),
    },
}
"""The worlds that there are in each style of URLs, and who asks there; what each is about is no matter of style."""

in_path_style = pytest.mark.parametrize("unit", ["path"], indirect=True)
in_host_style = pytest.mark.parametrize("unit", ["host"], indirect=True)


@pytest.fixture(scope="module", params=WORLDS)
def unit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp(request.param) / "data", request.param) as unit:
        yield unit


@pytest.fixture(scope="module")
def stages(unit: Ground) -> Stages:
    """The cell of each world, and the credentials of its subjects."""
    made = {}
    for world, subjects in WORLDS["path" if unit.path_style else "host"].items():
        made[world] = build(unit, world)
        made[world].admit(subjects)
    time.sleep(1.1)  # until the tokens are over that live for a second
    return made


def mismatches(
    stage: Stage, rows: Sequence[Row], subjects: Sequence[Principal], *, at_unit: bool = False
) -> list[str]:
    """Each answer that is not the specified one."""
    found, realm = [], stage.unit_url if at_unit else stage.site.url
    rules = stage.world.rules
    with closing(Line(stage.ground.port)) as line:
        for row, who in product(rows, subjects):
            sent = who.sends(stage, who) if row.spends and who.has_login else stage.sent[who]
            heard, expected = stage.ask(line, row, sent, at_unit=at_unit), verdict(row, who, rules, sent)
            if not is_as(heard, expected, challenges(expected, row, rules, realm)):
                asked = f"{stage.world.name}: {row.method} {row.path} as {who.name}"
                found.append(f"{asked}: {heard}, not {expected or 'allowed'}")
    return found


def is_as(heard: Heard, expected: Said | None, challenges: tuple[str, ...]) -> bool:
    if expected is ALLOWED:
        return heard.status not in {401, 403} and (heard.method != "OPTIONS" or heard.status in {200, 404})
    said = Said(heard.status, expected.code) if heard.method == "HEAD" else heard.said
    return (said, heard.challenges) == (expected, challenges)


def heads(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What holds for GET holds for HEAD."""
    return tuple(replace(row, method="HEAD") for row in rows if row.method == "GET")


def check(found: list[str]) -> None:
    assert not found, f"{len(found)} answers are not as specified:\n" + "\n".join(found[:200])


@in_host_style
def test_the_unit_answers_everyone_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], (*UNIT_ROWS, *heads(UNIT_ROWS)), EVERYONE, at_unit=True))


@in_path_style
def test_the_unit_answers_every_kind_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], UNIT_ROWS, KINDS, at_unit=True))


def test_every_row_is_answered_to_a_few_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], ALL_ROWS, FEW))


@in_path_style
def test_a_row_of_each_need_is_answered_to_every_kind_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], OF_EACH_NEED, (*KINDS, *ON_CELL)))


@in_host_style
def test_a_row_of_each_need_is_answered_to_everyone_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], OF_EACH_NEED, EVERYONE))


@in_path_style
@pytest.mark.parametrize(
    ("rows", "holders"),
    [
        (CELL_ROWS, ON_CELL),
        (CONTROL_ROWS, ON_CELL),
        (STRAIGHT_LINK_ROWS, OF_ENDS),
        (FILE_ROWS, IN_BOXES),
        (DATA_ROWS, IN_COLLECTIONS),
    ],
    ids=["cell", "control", "links", "files", "data"],
)
def test_every_row_is_answered_to_every_holder_as_specified(
    stages: Stages, rows: Sequence[Row], holders: tuple[Principal, ...]
) -> None:
    check(mismatches(stages[CLOSED], rows, holders))


@in_path_style
def test_heads_are_answered_as_specified(stages: Stages) -> None:
    check(mismatches(stages[CLOSED], heads(ALL_ROWS), FEW))


def test_grants_to_everyone_are_heeded_as_specified(stages: Stages) -> None:
    rows = [row for row in OF_EACH_NEED if row.path != "__sign"]  # it takes a key, and keys take long to make
    check([each for world in OPEN if world in stages for each in mismatches(stages[world], rows, FOR_ALL)])


def test_apps_and_basic_are_heeded_as_specified(stages: Stages) -> None:
    worlds = [world for world in (MAIN_BOX, *OF_APPS) if world in stages]
    check([each for world in worlds for each in mismatches(stages[world], OF_EACH_PLACE, FOR_APPS)])


# That the tables have everything that there is

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "MERGE", "PATCH", "DELETE", "OPTIONS"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "ACL", "MOVE", "REPORT", "COPY", "LOCK", "UNLOCK"),
)


@pytest.mark.parametrize(("rows", "at_unit"), [(ALL_ROWS, False), (UNIT_ROWS, True)], ids=["cell", "unit"])
def test_a_method_without_a_row_is_not_served(stages: Stages, rows: tuple[Row, ...], at_unit: bool) -> None:
    stage, known = stages[CLOSED], {(row.method, row.path) for row in (*rows, *heads(rows))}
    paths = dict.fromkeys(row.path for row in rows if "$expand" not in row.path)
    with closing(Line(stage.ground.port)) as line:
        heard = {
            (method, path): stage.ask(line, Row(method, path, NOTHING), stage.sent[MASTER], at_unit=at_unit)
            for path, method in product(paths, METHODS)
            if (method, path) not in known
        }
    assert not {asked: str(told) for asked, told in heard.items() if told.status not in {405, 501}}


def test_every_route_has_a_row() -> None:
    def firsts(rows: Sequence[Row]) -> set[str]:
        return {row.path.partition("?")[0].partition("/")[0] for row in rows}

    assert set(ROUTES.cell) <= firsts(CELL_ROWS) | firsts(CONTROL_ROWS)
    assert set(ROUTES.unit) <= firsts(UNIT_ROWS)
    assert set(FACES) == set(COLLECTIONS.values())


def test_what_is_specified_and_not_served_yet_is_not_there(stages: Stages) -> None:
    stage = stages[CLOSED]
    with closing(Line(stage.ground.port)) as line:
        statuses = {stage.ask(line, row, stage.sent[MASTER]).status for row in AWAITED}
    assert statuses <= {404, 501}
