"""The values of user data: what each type takes, also at its bounds, and gives; nulls, defaults, complex, lists."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.odata_site import JSON, Collection, code, names_field, results
from tests.running import RunningUnit

FIRST_MS, LAST_MS = -6847804800000, 253402300799999


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """A collection with types for each claim; tests only add entities."""
    made = Collection.make(unit.cell())
    made.entity_type(
        "Item",
        string="Edm.String",
        boolean="Edm.Boolean",
        int32="Edm.Int32",
        single="Edm.Single",
        double="Edm.Double",
        datetime="Edm.DateTime",
        strings="List Edm.String",
        booleans="List Edm.Boolean",
        int32s="List Edm.Int32",
        singles="List Edm.Single",
        doubles="List Edm.Double",
        datetimes="List Edm.DateTime",
    )
    return made


def keep(od: Collection, name: str, spelled: str) -> httpx.Response:
    """The answer to an entity whose property *name* is spelled so."""
    return od.call("POST", "Item", content=f'{{"{name}": {spelled}}}'.encode(), headers=JSON)


STRINGS = [
    ('""', ""),
    ('"x"', "x"),
    ('" "', " "),
    ("12", "12"),
    ("-1.5", "-1.5"),
    ("true", "true"),
    ("false", "false"),
    ('"null"', "null"),
    ('"日本語、山田 太郎"', "日本語、山田 太郎"),
    ('"\\ud83d\\ude00"', "😀"),
    ('"é"', "é"),
    ('"e\\u0301"', "e\u0301"),
    ('"a/b"', "a/b"),
    ('"\\u0001\\t\\r\\n\\"\\\\"', '\x01\t\r\n"\\'),
    ('"\'; DROP TABLE entity; --"', "'; DROP TABLE entity; --"),
    ('"/Date(0)/"', "/Date(0)/"),
    ('"<a>&amp;</a>"', "<a>&amp;</a>"),
]
BOOLEANS = [("true", True), ("false", False), ('"true"', True), ('"false"', False)]
INT32S = [
    ("0", 0),
    ("-0", 0),
    ('"12"', 12),
    ("12", 12),
    ('"+12"', 12),
    ('"-12"', -12),
    ('"007"', 7),
    ("2147483647", 2147483647),
    ("-2147483648", -2147483648),
    ('"2147483647"', 2147483647),
    ('"-2147483648"', -2147483648),
]
SINGLES = [
    ("0", 0),
    ("1", 1),
    ("10.0", 10),
    ("1.5", 1.5),
    ('"1.5"', 1.5),
    ("12345.12345", 12345.12345),
    ("-12345.12345", -12345.12345),
    ("0.00001", 0.00001),
    ("1234567", 1234567),
    ("1e5", 100000),
    ('"1e5"', 100000),
    ("1e38", 1e38),
    ("1e-40", 1e-40),
    ('"-2"', -2),
]
DOUBLES = [
    ("0", 0),
    ("-0.0", 0),
    ("1", 1),
    ("10.0", 10),
    ("1.5", 1.5),
    ('"1.5"', 1.5),
    ("0.1", 0.1),
    ("-123456789012345", -123456789012345),
    ("123456789012345.1", 123456789012345.1),
    ("0.12345678901234", 0.12345678901234),
    ("1.79e308", 1.79e308),
    ("-1.79e308", -1.79e308),
    ("2.23e-308", 2.23e-308),
    ("-2.23e-308", -2.23e-308),
    ("1e20", 1e20),
    ('"1E+5"', 100000),
    ("9007199254740993", 9007199254740992.0),
]
DATETIMES = [
    ('"/Date(0)/"', 0),
    ('"\\/Date(0)\\/"', 0),
    ('"/Date(1234567890123)/"', 1234567890123),
    ('"/Date(-1)/"', -1),
    (f'"/Date({FIRST_MS})/"', FIRST_MS),
    (f'"/Date({LAST_MS})/"', LAST_MS),
]
GOOD = [
    *(("string", *each) for each in STRINGS),
    *(("boolean", *each) for each in BOOLEANS),
    *(("int32", *each) for each in INT32S),
    *(("single", *each) for each in SINGLES),
    *(("double", *each) for each in DOUBLES),
    *(("datetime", spelled, f"/Date({value})/") for spelled, value in DATETIMES),
]

BAD = {
    "string": ["[]", "{}", '["x"]'],
    "boolean": ['"True"', '"yes"', '""', "1", "0", '"1"', "[]", "{}", '"null"'],
    "int32": [
        "2147483648",
        "-2147483649",
        '"2147483648"',
        "1.5",
        "1.0",
        '"1.0"',
        '"1e3"',
        '""',
        '" 1"',
        '"x"',
        '"0x10"',
        '"\uff11"',
        "true",
        "[]",
        "{}",
        "99999999999999999999999999",
    ],
    "single": [
        "123456.5",
        "0.123456",
        "1.1234567",
        "NaN",
        '"NaN"',
        '"Infinity"',
        '"-Infinity"',
        "3.4e38",
        "3.5e38",
        "1e39",
        "1.5e-7",
        '"3.4e38"',
        "1e400",
        '"1e400"',
        '""',
        '"x"',
        '"1,5"',
        '"1.5f"',
        "true",
        "[]",
        "{}",
    ],
    "double": [
        '"NaN"',
        '"Infinity"',
        '"-Infinity"',
        "1.7976931348623157e308",
        "1.8e308",
        "1e400",
        '"1e400"',
        "2.22e-308",
        "5e-324",
        '""',
        '"x"',
        '"1,5"',
        '"1.5d"',
        '"0x1p3"',
        "true",
        "[]",
        "{}",
    ],
    "datetime": [
        f'"/Date({FIRST_MS - 1})/"',
        f'"/Date({LAST_MS + 1})/"',
        '"/Date(0+0900)/"',
        '"/Date(0.5)/"',
        '"/Date()/"',
        '"/Date(x)/"',
        '"Date(0)"',
        '"/Date(0)"',
        '" /Date(0)/"',
        '"2020-01-01T00:00:00"',
        '"sysutcdatetime()"',
        '"SYSUTCDATETIME"',
        '""',
        "0",
        "1234567890123",
        "true",
        "[]",
        "{}",
    ],
}


class TestScalars:
    @pytest.mark.parametrize(("name", "spelled", "value"), GOOD)
    def test_a_value_comes_back(self, od: Collection, name: str, spelled: str, value: Any) -> None:
        made = results(keep(od, name, spelled))
        assert made[name] == value
        assert type(made[name]) is type(value) or isinstance(value, float)
        answer = od.get(f"Item('{made['__id']}')")
        assert results(answer)[name] == value
        assert results(od.get("Item", filter=f"__id eq '{made['__id']}'"))[0][name] == value

    @pytest.mark.parametrize(("name", "spelled"), [(name, each) for name, values in BAD.items() for each in values])
    def test_any_other_is_refused(self, od: Collection, name: str, spelled: str) -> None:
        answer = keep(od, name, spelled)
        if spelled in {"NaN", "1e400", "1.8e308"}:  # no number in JSON, or none that fits any type
            assert code(answer) in {"PR400-OD-0001", "PR400-OD-0006"}
        else:
            assert code(answer) == "PR400-OD-0006", answer.text
            assert names_field(answer, name)

    @pytest.mark.parametrize("name", ["single", "double", "int32", "string", "unknown"])
    @pytest.mark.parametrize("spelled", ["NaN", "Infinity", "-Infinity", "+1", ".5", "5.", "0x1", "01", "'x'"])
    def test_what_json_has_no_word_for_is_no_json(self, od: Collection, name: str, spelled: str) -> None:
        assert code(keep(od, name, spelled)) == "PR400-OD-0001"

    def test_a_date_is_spelled_with_escaped_slashes(self, od: Collection) -> None:
        answer = keep(od, "datetime", '"/Date(5)/"')
        assert '"datetime":"\\/Date(5)\\/"' in answer.text.replace(" ", "")

    def test_now_is_the_time_of_the_request(self, od: Collection) -> None:
        made = results(keep(od, "datetime", '"SYSUTCDATETIME()"'))
        told, published = (int(made[each][6:-2]) for each in ("datetime", "__published"))
        assert abs(told - published) < 60_000

    @pytest.mark.parametrize(("size", "fits"), [(51_200, True), (51_201, False)])
    @pytest.mark.parametrize("letter", ["x", "é", "あ", "😀"])
    def test_a_text_is_bounded_in_bytes(self, od: Collection, letter: str, size: int, fits: bool) -> None:
        width = len(letter.encode())
        text = letter * (size // width) + "x" * (size % width)
        answer = od.post("Item", {"string": text})
        if fits:
            assert results(od.get(f"Item('{results(answer)['__id']}')"))["string"] == text
        else:
            assert code(answer) == "PR400-OD-0006"

    def test_a_long_text_is_found_by_all_of_it(self, od: Collection) -> None:
        text = "長" * 4097
        made = od.create("Item", string=text)
        assert od.get("Item/$count", filter=f"__id eq '{made['__id']}' and string eq null").text == "0"
        assert od.get("Item/$count", filter=f"string eq '{text}'").text == "1"

    @pytest.mark.parametrize("spelled", ['"\\ud800"', '"\\udc00x"', '"\\u0000"', '"a\\u0000b"'])
    def test_texts_that_are_no_characters_do_no_harm(self, od: Collection, spelled: str) -> None:
        answer = keep(od, "string", spelled)
        if answer.status_code == 201:
            made = results(answer)
            assert made["string"] == json.loads(spelled)
            assert results(od.get(f"Item('{made['__id']}')"))["string"] == json.loads(spelled)
        else:
            assert code(answer) in {"PR400-OD-0001", "PR400-OD-0006"}
        assert od.get("Item", top=10_000).status_code == 200

    @pytest.mark.parametrize("name", sorted(BAD))
    @pytest.mark.parametrize("given", [{}, None])
    def test_without_a_value_it_is_null(self, od: Collection, name: str, given: Any) -> None:
        body = {} if given == {} else {name: None}
        made = results(od.post("Item", body))
        assert made[name] is None
        assert results(od.get(f"Item('{made['__id']}')"))[name] is None


DEFAULTS: dict[str, Any] = {
    "number": 7,
    "flag": True,
    "ratio": 1.5,
    "mass": 1e20,
    "text": "既定",
    "when": "/Date(5)/",
}


class TestRequiredAndDefaults:
    @pytest.fixture(scope="class")
    @staticmethod
    def strict(od: Collection) -> Collection:
        od.entity_type("Strict")
        od.prop("Strict", "must", "Edm.Int32", Nullable=False)
        od.prop("Strict", "number", "Edm.Int32", Nullable=False, DefaultValue="7")
        od.prop("Strict", "flag", "Edm.Boolean", DefaultValue="true")
        od.prop("Strict", "ratio", "Edm.Single", DefaultValue="1.5")
        od.prop("Strict", "mass", "Edm.Double", DefaultValue="1e20")
        od.prop("Strict", "text", "Edm.String", DefaultValue="既定")
        od.prop("Strict", "when", "Edm.DateTime", DefaultValue="/Date(5)/")
        od.prop("Strict", "made", "Edm.DateTime", DefaultValue="SYSUTCDATETIME()")
        od.prop("Strict", "many", "List Edm.Int32", DefaultValue="7")
        return od

    @pytest.mark.parametrize("body", [{}, {"must": None}])
    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_what_may_not_be_null_is_required(self, strict: Collection, method: str, body: dict[str, Any]) -> None:
        path = "Strict" if method == "POST" else f"Strict('{strict.create('Strict', must=1)['__id']}')"
        answer = strict.call(method, path, json=body)
        assert code(answer) == "PR400-OD-0009"
        assert names_field(answer, "must")

    def test_a_merge_may_leave_it_out_but_not_empty(self, strict: Collection) -> None:
        path = f"Strict('{strict.create('Strict', must=1)['__id']}')"
        assert strict.call("MERGE", path, json={"number": 8}).status_code == 204
        assert code(strict.call("MERGE", path, json={"must": None})) == "PR400-OD-0009"
        assert results(strict.get(path)).items() >= {"must": 1, "number": 8}.items()

    @pytest.mark.parametrize("body", [{}, dict.fromkeys(DEFAULTS)])
    def test_a_default_stands_for_what_is_missing_or_null(self, strict: Collection, body: dict[str, Any]) -> None:
        made = results(strict.post("Strict", {"must": 1, **body}))
        assert made.items() >= DEFAULTS.items()
        assert made["many"] is None
        assert abs(int(made["made"][6:-2]) - int(made["__published"][6:-2])) < 60_000
        path = f"Strict('{made['__id']}')"
        assert results(strict.get(path)).items() >= DEFAULTS.items()
        others = {"number": 1, "flag": False, "ratio": 2, "mass": 3, "text": "x", "when": "/Date(6)/"}
        assert strict.call("MERGE", path, json=others).status_code == 204
        assert results(strict.get(path)).items() >= others.items()
        assert strict.call("PUT", path, json={"must": 2, **body}).status_code == 204
        assert results(strict.get(path)).items() >= DEFAULTS.items()

    def test_a_merge_leaves_what_it_does_not_mention(self, strict: Collection) -> None:
        path = f"Strict('{strict.create('Strict', must=1, number=1, text='x')['__id']}')"
        assert strict.call("MERGE", path, json={"text": None}).status_code == 204
        assert results(strict.get(path)).items() >= {"number": 1, "text": "既定"}.items()


WHOLE = {"city": "京都", "geo": {"lat": 35.01, "place": "御所"}, "notes": ["a", "b"], "zip": 602}


class TestComplexValues:
    @pytest.fixture(scope="class")
    @staticmethod
    def complex(od: Collection) -> Collection:
        od.complex_type("Geo", lat="Edm.Double", place="Edm.String")
        od.complex_type("Address", city="Edm.String", geo="Geo", notes="List Edm.String")
        od.member("Address", "zip", "Edm.Int32", DefaultValue="600")
        od.complex_type("Checked", other="Edm.String")
        od.member("Checked", "must", "Edm.String", Nullable=False)
        od.entity_type("Person", address="Address", homes="List Address", checked="Checked")
        return od

    def test_it_comes_back_whole(self, complex: Collection) -> None:
        made = complex.create("Person", address=WHOLE)
        assert made["address"] == WHOLE
        assert results(complex.get(f"Person('{made['__id']}')"))["address"] == WHOLE

    def test_what_it_leaves_out_is_default_or_null(self, complex: Collection) -> None:
        made = complex.create("Person", address={"city": "京都"})
        assert made["address"] == {"city": "京都", "geo": None, "notes": None, "zip": 600}
        inner = complex.create("Person", address={"geo": {"lat": 1}})
        assert inner["address"]["geo"] == {"lat": 1, "place": None}

    def test_null_is_null(self, complex: Collection) -> None:
        made = complex.create("Person", address=None, homes=None)
        assert made.items() >= {"address": None, "homes": None}.items()

    @pytest.mark.parametrize(
        ("value", "field"),
        [
            ({}, "address"),
            ("x", "address"),
            (7, "address"),
            ([], "address"),
            (True, "address"),
            ({"street": "x"}, "street"),
            ({"city": []}, "city"),
            ({"city": {}}, "city"),
            ({"zip": "x"}, "zip"),
            ({"geo": {}}, "geo"),
            ({"geo": "x"}, "geo"),
            ({"geo": {"lat": "x"}}, "lat"),
            ({"geo": {"alt": 1}}, "alt"),
            ({"notes": "x"}, "notes"),
            ({"notes": {"0": "x"}}, "notes"),
            ({"notes": [{}]}, "notes"),
            ({"__id": "x"}, "__id"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, complex: Collection, value: Any, field: str) -> None:
        answer = complex.post("Person", {"address": value})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, field)

    @pytest.mark.parametrize("value", [{"other": "x"}, {"must": None}])
    def test_what_a_member_requires_is_required(self, complex: Collection, value: Any) -> None:
        answer = complex.post("Person", {"checked": value})
        assert code(answer) == "PR400-OD-0009"
        assert names_field(answer, "must")
        assert complex.create("Person", checked=None)["checked"] is None

    @pytest.mark.parametrize(
        ("change", "after"),
        [
            ({"address": {"city": "奈良"}}, {**WHOLE, "city": "奈良"}),
            ({"address": {"geo": {"place": "城"}}}, {**WHOLE, "geo": {"lat": 35.01, "place": "城"}}),
            ({"address": {"city": None, "zip": None}}, {**WHOLE, "city": None, "zip": 600}),
            ({"address": {"geo": None}}, WHOLE),
            ({"address": {"notes": ["c"]}}, {**WHOLE, "notes": ["c"]}),
            ({"address": {"notes": None}}, {**WHOLE, "notes": None}),
            ({"address": None}, WHOLE),
            ({}, WHOLE),
        ],
    )
    def test_merge_goes_field_by_field(self, complex: Collection, change: Any, after: Any) -> None:
        path = f"Person('{complex.create('Person', address=WHOLE)['__id']}')"
        assert complex.call("MERGE", path, json=change).status_code == 204
        assert results(complex.get(path))["address"] == after

    def test_merge_into_nothing_makes_it(self, complex: Collection) -> None:
        path = f"Person('{complex.create('Person')['__id']}')"
        assert complex.call("MERGE", path, json={"address": {"city": "奈良"}}).status_code == 204
        assert results(complex.get(path))["address"] == {"city": "奈良", "geo": None, "notes": None, "zip": 600}

    @pytest.mark.parametrize("before", [WHOLE, {"city": "京都"}, None])
    @pytest.mark.parametrize("change", [{}, {"geo": {}}, {"street": "x"}, {"geo": {"alt": 1}}, {"zip": "x"}, "x", []])
    def test_a_merge_that_does_not_fit_is_refused(self, complex: Collection, change: Any, before: Any) -> None:
        made = complex.create("Person", address=before)
        path = f"Person('{made['__id']}')"
        assert code(complex.call("MERGE", path, json={"address": change})) == "PR400-OD-0006"
        assert results(complex.get(path))["address"] == made["address"]

    def test_put_says_all_of_it(self, complex: Collection) -> None:
        path = f"Person('{complex.create('Person', address=WHOLE)['__id']}')"
        assert complex.call("PUT", path, json={"address": {"city": "奈良"}}).status_code == 204
        assert results(complex.get(path))["address"] == {"city": "奈良", "geo": None, "notes": None, "zip": 600}
        assert complex.call("PUT", path, json={}).status_code == 204
        assert results(complex.get(path))["address"] is None

    def test_lists_of_complex_values(self, complex: Collection) -> None:
        homes = [WHOLE, {**WHOLE, "city": "奈良"}]
        path = f"Person('{complex.create('Person', homes=homes)['__id']}')"
        assert results(complex.get(path))["homes"] == homes
        assert complex.call("MERGE", path, json={"homes": [{"city": "津"}]}).status_code == 204
        assert results(complex.get(path))["homes"] == [{"city": "津", "geo": None, "notes": None, "zip": 600}]
        for bad in [[{}], ["x"], [{"street": "x"}], {"city": "x"}]:
            assert code(complex.call("MERGE", path, json={"homes": bad})) == "PR400-OD-0006"


LISTS = {
    "strings": (["a", "b", "a"], ["a", 1, True], ["a", "1", "true"], [["a"], {}]),
    "booleans": ([True, False, True], [True, "false"], [True, False], ["x", 1]),
    "int32s": ([3, 1, 2, 3], [1, "2"], [1, 2], ["x", 1.5, 2147483648]),
    "singles": ([1.5, 2.25], ["1.5", 2], [1.5, 2], ["x", 123456.5]),
    "doubles": ([1.5, 1e20], ["1.5", 2], [1.5, 2], ["x", "NaN"]),
    "datetimes": (["/Date(5)/", "/Date(-5)/"], ["/Date(5)/"], ["/Date(5)/"], ["x", 5]),
}


class TestLists:
    @pytest.mark.parametrize("name", sorted(LISTS))
    def test_a_list_keeps_its_order(self, od: Collection, name: str) -> None:
        values, mixed, read, _ = LISTS[name]
        made = od.create("Item", **{name: values})
        assert made[name] == values
        path = f"Item('{made['__id']}')"
        assert results(od.get(path))[name] == values
        assert od.call("MERGE", path, json={name: mixed}).status_code == 204
        assert results(od.get(path))[name] == read
        assert od.call("MERGE", path, json={"string": "x"}).status_code == 204
        assert results(od.get(path))[name] == read

    @pytest.mark.parametrize("name", sorted(LISTS))
    @pytest.mark.parametrize("value", [[], [None], None])
    def test_it_may_be_empty_or_null_and_so_its_elements(self, od: Collection, name: str, value: Any) -> None:
        made = od.create("Item", **{name: value})
        assert made[name] == value
        path = f"Item('{od.create('Item', **{name: LISTS[name][0]})['__id']}')"
        assert od.call("MERGE", path, json={name: value}).status_code == 204
        assert results(od.get(path))[name] == value

    @pytest.mark.parametrize(
        ("name", "bad"), [(name, bad) for name, (*_, several) in sorted(LISTS.items()) for bad in several]
    )
    def test_an_element_that_does_not_fit_is_refused(self, od: Collection, name: str, bad: Any) -> None:
        answer = od.post("Item", {name: [LISTS[name][0][0], bad]})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, name)

    @pytest.mark.parametrize("name", sorted(LISTS))
    @pytest.mark.parametrize("scalar", ["x", 1, True, {}, {"results": []}])
    def test_a_scalar_is_no_list(self, od: Collection, name: str, scalar: Any) -> None:
        answer = od.post("Item", {name: scalar})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, name)

    def test_a_long_list(self, od: Collection) -> None:
        numbers = list(range(5000))
        path = f"Item('{od.create('Item', int32s=numbers)['__id']}')"
        assert results(od.get(path))["int32s"] == numbers
        assert od.get("Item/$count", filter="int32s eq 4999").text == "1"
