"""``$filter``: what each operator and function finds, by type, and the code of each refusal."""

from __future__ import annotations

import pytest

from tests.odata_site import Collection, code, ids
from tests.running import RunningUnit

Y2020 = 1_577_836_800_000
LONG = "長" * 5000


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """Items ``a`` to ``e``; ``d`` has nothing but its id."""
    made = Collection.make(unit.cell())
    made.complex_type("Geo", lat="Edm.Double", place="Edm.String")
    made.complex_type("Address", city="Edm.String", geo="Geo", lines="List Edm.String")
    made.entity_type(
        "Item",
        s="Edm.String",
        t="Edm.String",
        b="Edm.Boolean",
        i="Edm.Int32",
        f="Edm.Single",
        d="Edm.Double",
        m="Edm.DateTime",
        ss="List Edm.String",
        ii="List Edm.Int32",
        bb="List Edm.Boolean",
        mm="List Edm.DateTime",
        address="Address",
        homes="List Address",
    )
    made.create(
        "Item",
        __id="a",
        s="abc",
        t="abc",
        b=True,
        i=1,
        f=1.5,
        d=1.5,
        m="/Date(0)/",
        ss=["x", "y"],
        ii=[1, 2],
        bb=[True],
        mm=["/Date(0)/"],
        address={"city": "京都", "geo": {"lat": 35.5, "place": "御所"}, "lines": ["1", "2"]},
        homes=[{"city": "京都"}],
        dyn="dynamic",
    )
    made.create(
        "Item",
        __id="b",
        s="Abd",
        t="zzz",
        b=False,
        i=-5,
        f=-2.25,
        d=1e20,
        m=f"/Date({Y2020})/",
        ss=["z", None],
        ii=[],
        bb=[False],
        mm=[f"/Date({Y2020})/"],
        address={"city": "Kyoto", "geo": {"lat": -1}},
    )
    made.create("Item", __id="c", s="日本語のテキスト", i=2147483647, f=12345.12345, d=-1.5, m="/Date(-1)/", ss=[])
    made.create("Item", __id="d")
    made.create("Item", __id="e", s='it\'s "x" \\ 100%_\n', t=LONG, i=0, d=0, dyn="7")
    made.entity_type("Other", own="Edm.String")
    return made


FINDS = {
    "texts": {
        "s eq 'abc'": "a",
        "s eq 'ABC'": "",
        "s ne 'abc'": "bcde",
        "s eq null": "d",
        "s ne null": "abce",
        "s eq ''": "",
        "s gt 'abc'": "ce",
        "s ge 'abc'": "ace",
        "s lt 'abc'": "b",
        "s le 'abc'": "ab",
        "s eq '日本語のテキスト'": "c",
        "s gt 'z'": "c",
        "s eq 'it''s \"x\" \\\\ 100%_\\n'": "e",
        "s eq '\\u0061bc'": "a",
        "s eq '\\u65e5本語のテキスト'": "c",
        f"t eq '{LONG}'": "e",
        "t eq null": "cd",
        "__id eq 'a'": "a",
        "__id gt 'c'": "de",
        "__id ne 'a'": "bcde",
        "dyn eq 'dynamic'": "a",
        "dyn eq '7'": "e",
        "dyn ne null": "ae",
    },
    "truth values": {
        "b eq true": "a",
        "b eq false": "b",
        "b ne true": "bcde",
        "b ne false": "acde",
        "b eq null": "cde",
        "b ne null": "ab",
    },
    "whole numbers": {
        "i eq 1": "a",
        "i eq -5": "b",
        "i eq 2147483647": "c",
        "i eq -2147483648": "",
        "i ne 1": "bcde",
        "i gt 0": "ac",
        "i ge 0": "ace",
        "i lt 0": "b",
        "i le 0": "be",
        "i eq null": "d",
        "i eq 1L": "a",
    },
    "numbers": {
        "f eq 1.5": "a",
        "f eq -2.25": "b",
        "f eq 12345.12345": "c",
        "f gt 1": "ac",
        "f lt 1.5": "b",
        "f ne null": "abc",
        "d eq 1.5": "a",
        "d eq 1E+20": "b",
        "d ge 100000000000000000000": "b",
        "d lt 0": "c",
        "d eq 0": "e",
        "d eq null": "d",
        "d eq 1.5d": "a",
    },
    "moments": {
        "m eq 0": "a",
        f"m eq {Y2020}": "b",
        "m eq datetime'2020-01-01T00:00'": "b",
        "m eq datetime'2020-01-01T00:00:00'": "b",
        "m eq datetime'2020-01-01T00:00:00.000'": "b",
        "m eq datetimeoffset'2020-01-01T09:00:00+09:00'": "b",
        "m eq datetimeoffset'2020-01-01T00:00:00Z'": "b",
        "m eq datetimeoffset'2020-01-01T00:00:00'": "b",
        "m lt datetime'1970-01-01T00:00:00'": "c",
        "m le datetime'1970-01-01T00:00:00'": "ac",
        "m gt datetime'1753-01-01T00:00:00'": "abc",
        "m lt datetime'9999-12-31T23:59:59.999'": "abc",
        "m eq null": "de",
        "m ne null": "abc",
        "__published gt 0": "abcde",
        "__updated ge datetime'2020-01-01T00:00:00'": "abcde",
        "__published lt datetime'2020-01-01T00:00:00'": "",
        "__published eq null": "",
        "__updated ne null": "abcde",
    },
    "lists": {
        "ss eq 'x'": "a",
        "ss eq 'z'": "b",
        "ss eq 'nobody'": "",
        "ss ne 'x'": "bcde",
        "ss eq null": "de",
        "ss ne null": "abc",
        "ii eq 2": "a",
        "ii eq 3": "",
        "bb eq true": "a",
        "bb eq false": "b",
        "mm eq 0": "a",
        "mm eq datetime'2020-01-01T00:00'": "b",
        "address/lines eq '2'": "a",
    },
    "members of complex values": {
        "address/city eq '京都'": "a",
        "address/city ne null": "ab",
        "address/city eq null": "cde",
        "address/geo/lat gt 0": "a",
        "address/geo/lat lt 0": "b",
        "address/geo/place eq null": "bcde",
        "startswith(address/city,'K')": "b",
    },
    "and, or, not": {
        "i eq 1 and s eq 'abc'": "a",
        "i eq 1 and s eq 'x'": "",
        "i eq 1 or i eq 0": "ae",
        "i eq 1 or i eq 0 and s eq 'x'": "a",
        "(i eq 1 or i eq 0) and s eq 'abc'": "a",
        "i eq 1 or (i eq 0 and s ne 'x')": "ae",
        "i eq 1 and i eq 1 and i eq 1 or i eq 2": "a",
        "((((i eq 1))))": "a",
        "not (i eq 1)": "bcde",
        "not(i gt 0)": "bde",
        "not i eq 1": "bcde",
        "not not (i eq 1)": "a",
        "not startswith(s,'a')": "bcde",
        "not (i eq 1 or i eq null)": "bce",
        "i eq 0 or not (s eq null)": "abce",
        "not (b eq true) and i lt 1": "be",
        "s eq 'and' or s eq 'abc'": "a",
    },
    "functions": {
        "startswith(s,'ab')": "a",
        "startswith(s,'')": "abce",
        "startswith(s,'日本')": "c",
        "startswith(__id,'a')": "a",
        "endswith(s,'c')": "a",
        "endswith(s,'テキスト')": "c",
        "endswith(s,'')": "abce",
        "substringof('b',s)": "ab",
        "substringof('本語の',s)": "c",
        "substringof('100%',s)": "e",
        "substringof('%',s)": "e",
        "substringof('_',s)": "e",
        "substringof('B',s)": "",
        "substringof('x',t)": "",
        "substringof(s,t)": "a",
        "tolower(s) eq 'abd'": "b",
        "toupper(s) eq 'ABC'": "a",
        "startswith(tolower(s),'ab')": "ab",
        "length(s) eq 3": "ab",
        "length(s) gt 7": "ce",
        "indexof(s,'c') eq 2": "a",
        "indexof(s,'本') eq 1": "c",
        "indexof(s,'nowhere') eq -1": "abce",
        "replace(s,'b','X') eq 'aXc'": "a",
        "substring(s,1) eq 'bc'": "a",
        "substring(s,1,1) eq 'b'": "ab",
        "trim(concat(' ',concat(s,' '))) eq 'abc'": "a",
        "concat(s,t) eq 'abcabc'": "a",
        "year(m) eq 2020": "b",
        "year(m) eq 1969 and month(m) eq 12 and day(m) eq 31": "c",
        "hour(m) eq 23 and minute(m) eq 59 and second(m) eq 59": "c",
        "round(f) eq 2": "a",
        "round(f) eq -2": "b",
        "floor(f) eq -3": "b",
        "ceiling(f) eq 2": "a",
        "length(t) eq length(s)": "abd",
        "s eq t": "ad",
        "t gt s": "be",
    },
    "arithmetic": {
        "i add 1 eq 2": "a",
        "i sub 1 eq 0": "a",
        "i mul 2 lt 0": "b",
        "i div 2 eq -2": "b",
        "i mod 2 eq 1": "ac",
        "i mod 2 eq -1": "b",
        "f mul 2 eq 3": "a",
        "f add d eq 3": "a",
        "d div 0 eq 1": "",
        "-i eq 5": "b",
        "i add 1 mul 2 eq 3": "a",
        "(i add 1) mul 2 eq 4": "a",
        "i eq d": "de",
        "d gt i": "ab",
        "i add 1 gt 2147483647": "c",
    },
}


class TestFinding:
    @pytest.mark.parametrize(
        ("text", "found"), [(text, found) for group in FINDS.values() for text, found in group.items()]
    )
    def test_a_filter_finds_what_it_says_and_nothing_else(self, od: Collection, text: str, found: str) -> None:
        answer = od.get("Item", filter=text, orderby="__id", inlinecount="allpages")
        assert "".join(ids(answer)) == found
        assert answer.json()["d"]["__count"] == str(len(found))
        assert od.get("Item/$count", filter=text).text == str(len(found))

    @pytest.mark.parametrize("space", [" ", "  ", "\t", "\n"])
    def test_any_white_space_parts_words(self, od: Collection, space: str) -> None:
        text = space.join(["", "i", "eq", "1", "and", "s", "eq", "'abc'", ""])
        assert ids(od.get("Item", filter=text)) == ["a"]

    def test_the_first_of_two_filters_counts(self, od: Collection) -> None:
        answer = od.call("GET", "Item?$filter=i%20eq%201&$filter=i%20eq%200", headers={"Accept": "application/json"})
        assert ids(answer) == ["a"]

    def test_a_plus_is_a_blank_and_a_percent_sequence_a_character(self, od: Collection) -> None:
        assert ids(od.call("GET", "Item?$filter=s+eq+%27abc%27", headers={"Accept": "application/json"})) == ["a"]


REFUSED = {
    "PR400-OD-0003": [
        "",
        " ",
        "s eq",
        "eq 'x'",
        "s eq 'abc",
        "s eq abc'",
        "s eq 'a'b'",
        "s EQ 'abc'",
        "s eq 'abc' AND i eq 1",
        "NOT (s eq 'abc')",
        "'abc' eq s",
        "1 eq i",
        "null eq s",
        "s eq'abc'",
        "s= 'abc'",
        "s eq 'abc' and",
        "and s eq 'abc'",
        "(s eq 'abc'",
        "s eq 'abc')",
        "()",
        "s eq ()",
        "s eq 'abc' i eq 1",
        "s eq 'abc', i eq 1",
        "s gt null",
        "b gt true",
        "b ge false",
        "i lt true",
        "unknown(s)",
        "unknown(s,'x') eq true",
        "startswith(s)",
        "startswith(s,'x','y')",
        "startswith()",
        "length() eq 1",
        "m eq datetime'2020-01-01'",
        "m eq datetime'2020-02-30T00:00:00'",
        "m eq datetime'2020-01-01T24:00:00'",
        "m eq datetime'2020-01-01T00:00:00Z'",
        "m eq datetime'2020-01-01T00:00:00+09:00'",
        "m eq datetime''",
        "d eq 1E5",
        "d eq 1.0E-5",
        "d eq 1.",
        "d eq .5",
        "d eq 1,5",
        "d eq 0x10",
        's eq "abc"',
        "address eq 'x'",
        "address gt 'x'",
        "address/geo eq null",
        "homes eq 'x'",
        "ss gt 'x'",
        "true",
        "false",
        "1",
        "'x'",
        "null",
        "-1",
        "s eq 'x' eq true",
        "s eq t eq t",
        "i eq 1 or",
        "%",
        "s eq 'a' ; drop table entity",
        "s eq 'a' -- ",
        "s like 'a'",
        "s in ('a','b')",
        "*",
        "$it eq 1",
        "日本 eq 1",
    ],
    "PR400-OD-0043": ["s", "b", "b and i eq 1", "not b", "s and b", "cast(s,'Edm.String') eq 'x'", "-i", "i add 1"],
    "PR400-OD-0044": ["isof(s,'Edm.String')", "length(s)", "tolower(s)", "year(m)", "not length(s)"],
    "PR400-OD-0045": [
        "nothing eq 'x'",
        "S eq 'x'",
        "nothing eq 1 and s eq 'abc'",
        "s eq 'abc' or nothing eq 1",
        "startswith(nothing,'x')",
        "homes/city eq 'x'",
        "address/nothing eq 'x'",
        "address/geo/nothing eq 1",
        "s/length eq 1",
        "ss/any(x: x eq 'x')",
        "ss/all(x: x eq 'x')",
        "__metadata eq 'x'",
        "P001 eq 'x'",
        "own eq 'x'",
        "m eq datetime2020",
    ],
    "PR400-OD-0046": [
        "s eq 1",
        "s eq true",
        "s eq datetime'2020-01-01T00:00'",
        "b eq 'true'",
        "b eq 1",
        "i eq '1'",
        "i eq 1.5",
        "i eq true",
        "i eq datetime'2020-01-01T00:00'",
        "f eq '1.5'",
        "f eq true",
        "d eq '1.5'",
        "d eq 1f",
        "d eq 1.5f",
        "d eq 1.5m",
        "d eq true",
        "m eq '2020-01-01'",
        "m eq 1.5",
        "m eq true",
        "ss eq 1",
        "ii eq 'x'",
        "s eq i",
        "b eq s",
        "m eq d",
        "startswith(i,'1')",
        "startswith(s,1)",
        "startswith(ss,'x')",
        "startswith(address,'x')",
        "substringof(1,s)",
        "length(i) eq 1",
        "year(s) eq 2020",
        "round(s) eq 1",
        "s add 1 eq 1",
        "-s eq 1",
        "length(s) eq 'x'",
        "startswith(s,null)",
    ],
    "PR400-OD-0047": [
        "i eq 2147483648",
        "i eq -2147483649",
        "i eq 99999999999999999999999",
        "f eq 123456",
        "f eq 0.123456",
        "f eq 123456.5",
        "d eq 1E+309",
        "m eq 253402300800000",
        "m eq -6847804800001",
        "m eq datetime'1752-12-31T23:59:59'",
    ],
    "PR400-OD-0048": ["s eq '\\ud800'", "s eq '\\u12'", "s eq '\\uzzzz'"],
}


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "expected"), [(text, expected) for expected, texts in REFUSED.items() for text in texts]
    )
    def test_a_filter_is_refused_with_its_code(self, od: Collection, text: str, expected: str) -> None:
        for path in ("Item", "Item/$count"):
            assert code(od.get(path, filter=text)) == expected

    def test_it_is_refused_in_an_empty_set_too(self, od: Collection) -> None:
        assert code(od.get("Other", filter="nothing eq 1")) == "PR400-OD-0045"
        assert code(od.get("Other", filter="own eq 1")) == "PR400-OD-0046"
        assert code(od.get("Other", filter="own eq")) == "PR400-OD-0003"
