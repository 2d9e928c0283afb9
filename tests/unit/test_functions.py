"""The functions of ``$filter`` at the edges of what they take and give."""

from __future__ import annotations

import pytest

from alveary.model.functions import FUNCTIONS, Value

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("substring", ("abc", 1), "bc"),
        ("substring", ("abc", 1, 1), "b"),
        ("substring", ("abc", 3), ""),
        ("substring", ("abc", -1), None),
        ("substring", ("abc", 0, -1), None),
        ("substring", ("abc", float(2**63)), ""),
        ("substring", ("abc", 1, float(2**63)), "bc"),
        ("indexof", ("abc", "c"), 2),
        ("indexof", ("abc", "x"), -1),
        ("replace", ("aXbX", "X", "--"), "a--b--"),
        ("trim", (" \ta\n", ), "a"),
        ("year", (-1,), 1969),
        ("second", (1_999,), 1),
        ("round", (0.5,), 1.0),
        ("round", (-0.5,), -1.0),
        ("round", (2.5,), 3.0),
        ("round", (0.49999999999999994,), 0.0),
        ("round", (4503599627370497.0,), 4503599627370497.0),
        ("round", (2**53 + 1,), 2**53 + 1),
        ("floor", (-1.5,), -2.0),
        ("ceiling", (-1.5,), -1.0),
        ("div", (7, 2), 3),
        ("div", (-7, 2), -3),
        ("div", (7, 2.0), 3.5),
        ("div", (1, 0), None),
        ("div", (1.5, 0), None),
        ("ratio", (7, 2), 3.5),
        ("ratio", (7, 0), None),
        ("mod", (-7, 4), -3),
        ("mod", (7, -4), 3),
        ("mod", (-7.5, 4), -3.5),
        ("mod", (1, 0), None),
        ("add", (LARGEST, 0), LARGEST),
        ("add", (LARGEST, 1), float(2**63)),
        ("mul", (1e300, 1e300), None),
        ("negate", (-LARGEST,), LARGEST),
        ("negate", (-LARGEST - 1,), float(2**63)),
        ("negate", (1.5,), -1.5),
    ],
)  # fmt: skip
def test_a_function_gives(name: str, arguments: tuple[Value, ...], value: Value) -> None:
    found = FUNCTIONS[name].of(*arguments)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_nothing_it_gives_nothing(name: str) -> None:
    count = len(FUNCTIONS[name].parameters)
    for at in range(count):
        arguments: list[Value] = [1] * count
        arguments[at] = None
        assert FUNCTIONS[name].of(*arguments) is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("length", (5,)),
        ("startswith", (5, "x")),
        ("concat", ("x", 5)),
        ("tolower", (True,)),
        ("add", ("x", 1)),
        ("mul", ("x", 3)),
        ("mod", ("%s", 3)),
        ("round", ("x",)),
        ("negate", ("x",)),
        ("year", ("2020",)),
        ("year", (10**18,)),
        ("substring", (5, 1)),
    ],
)
def test_of_a_value_that_is_none_of_its_type_it_gives_nothing(name: str, arguments: tuple[Value, ...]) -> None:
    assert FUNCTIONS[name].of(*arguments) is None


@pytest.mark.parametrize(
    ("name", "arguments", "length"),
    [
        ("concat", ("a" * 400_000, "b" * 600_000), 1_000_000),
        ("concat", ("a" * 400_000, "b" * 600_001), None),
        ("replace", ("a" * 1_000, "a", "b" * 1_000), 1_000_000),
        ("replace", ("a" * 1_001, "a", "b" * 1_000), None),
        ("replace", ("a" * 1_000, "", "b" * 1_000), None),
        ("replace", ("a" * 1_000_000, "a", "b" * 1_000_000), None),
    ],
)
def test_a_text_grows_so_far_and_no_further(name: str, arguments: tuple[str, ...], length: int | None) -> None:
    found = FUNCTIONS[name].of(*arguments)
    assert (None if found is None else len(str(found))) == length
