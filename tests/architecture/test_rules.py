"""The rules themselves: each finds a planted offence and leaves good code alone."""

from __future__ import annotations

import ast

import pytest

from tests.architecture import rules


@pytest.mark.parametrize(
    "source",
    [
        "def f(timeout: float): ...",
        "def f(*, max_size: 'int' = 3): ...",
        "class A:\n    ttl: int | None = None",
        "class A:\n    def __init__(self):\n        self.poll_interval: float = 1",
    ],
)
def test_a_number_that_measures_without_a_unit_is_found(source: str) -> None:
    assert list(rules.unitless_names(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "def f(timeout_s: float, size_bytes: int): ...",
        "def f(size: Size, page: int): ...",
        "class A:\n    message: str\n    sizes: list[str]",
    ],
)
def test_units_and_things_that_are_no_numbers_pass(source: str) -> None:
    assert not list(rules.unitless_names(ast.parse(source)))


def test_the_kinds_of_a_refusal_are_read_from_its_entry_alone() -> None:
    docstring = (
        "Store it.\n\nRaises:\n"
        "    Refusal: LACKS_PRIVILEGE, LOCKED,\n        or ETAG_MISMATCH.\n"
        "    ValueError: NEVER_MIND.\n"
    )
    assert rules.refusals_named(docstring) == {"LACKS_PRIVILEGE", "LOCKED", "ETAG_MISMATCH"}


def test_a_docstring_without_raises_names_no_kind() -> None:
    assert rules.refusals_named("What LACKS_PRIVILEGE means.") == set()


@pytest.mark.parametrize(
    "body",
    [
        "access.require(ROOT)",
        "'''Doc.'''\n    access.require(ROOT)\n    go()",
        "cell, account = access.require_account(AUTH)",
        "await access.require_at(READ, place)",
        "place = await access.require_at(READ, path)",
        "place: Place = await access.require_at(READ, path)",
        "home = await access.require_set(ports, service, concern, READ)",
        "async def find(tx):\n        home = await access.require_in(tx)\n        go()\n    return await read(find)",
        "async def find(tx):\n        what = A()\n        await access.require_in(tx)\n    return await read(find)",
    ],
)
def test_asking_first_passes(body: str) -> None:
    assert not list(rules.late_checks(ast.parse(f"async def f(ports, access: Access):\n    {body}\n")))


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "go()\n    access.require(ROOT)",
        "access.require_at(READ, place)",
        "home = access.require_set(ports, service, concern, READ)",
        "async def find(tx):\n        go()\n        await access.require_in(tx)\n    return await read(find)",
        "async def find(tx):\n        a = await go()\n        await access.require_in(tx)\n    return await x(find)",
        "async def find(tx):\n        await access.require_in(tx)\n    go()\n    return await read(find)",
        "await access.require(ROOT)",
        "access.may(ROOT)",
        "other.require(ROOT)",
        "if maybe:\n        access.require(ROOT)",
        "'''Doc.'''",
    ],
)
def test_doing_anything_before_asking_is_found(body: str) -> None:
    tree = ast.parse(f"async def f(ports, access: 'access.Access'):\n    {body}\n")
    assert list(rules.late_checks(tree))


def test_a_plain_function_that_reaches_the_ports_must_ask_too() -> None:
    assert list(rules.late_checks(ast.parse("def f(ports: Ports, access: Access): go()")))


@pytest.mark.parametrize(
    "source",
    [
        "def _f(ports: Ports, access: Access): go()",
        "async def f(path: str): go()",
        "def f(access: Access): go()",
    ],
)
def test_functions_that_are_no_use_case_are_free(source: str) -> None:
    assert not list(rules.late_checks(ast.parse(source)))


@pytest.mark.parametrize("call", ["open('x')", "datetime.now(UTC)", "asyncio.open_connection('h', 1)"])
def test_reaching_for_the_machine_is_found(call: str) -> None:
    assert list(rules.impure_calls(ast.parse(call)))
