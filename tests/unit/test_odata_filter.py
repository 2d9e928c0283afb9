"""What ``$filter`` accepts, what it makes of it, and how it refuses the rest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.config import Limits
from alveary.errors import (
    FILTER_ESCAPE,
    FILTER_FUNCTION,
    FILTER_OPERATOR,
    FILTER_PROPERTY,
    FILTER_TYPE,
    FILTER_UNREADABLE,
    FILTER_VALUE,
    Kind,
    Refusal,
)
from alveary.model.columns import find_column
from alveary.model.edm import ComplexType, EntitySet, Owner, Property
from alveary.model.edm_values import EARLIEST_MS, LATEST_MS, EdmType
from alveary.model.entities import EntityKind
from alveary.model.functions import OPERATORS
from alveary.model.queries import (
    All,
    Call,
    Column,
    Compare,
    Comparison,
    Contains,
    Expression,
    Holds,
    Literal,
    Not,
    Some,
    Source,
    Term,
)
from alveary.wire.odata_filter import parse_filter

GEO = ComplexType("Geo", (Property("lat", EdmType.DOUBLE, column="C001"), Property("place", column="C002")))
ADDRESS = ComplexType("Address", (Property("city", column="C001"), Property("geo", GEO, column="C002")))
ITEM = EntitySet(
    "Item",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(
        Property("__id"),
        Property("s", column="P001"),
        Property("t", column="P002"),
        Property("b", EdmType.BOOLEAN, column="P003"),
        Property("i", EdmType.INT32, column="P004"),
        Property("f", EdmType.SINGLE, column="P005"),
        Property("d", EdmType.DOUBLE, column="P006"),
        Property("m", EdmType.DATETIME, column="P007"),
        Property("l", is_list=True, column="P008"),
        Property("n", EdmType.INT32, is_list=True, column="P009"),
        Property("address", ADDRESS, column="P010"),
        Property("homes", ADDRESS, is_list=True, column="P011"),
        Property("u", url=True, column="P012"),
        Property("us", url=True, is_list=True, column="P013"),
        Property("7-a.b", column="P014"),
        Property("eq", column="P015"),
        Property("length", EdmType.INT32, column="P016"),
    ),
    type_id="item",
)
OWNED = EntitySet(
    "Owned",
    "CellCtl",
    EntityKind.EXT_ROLE,
    key=("ExtRole", "_Relation.Name", "_Relation._Box.Name"),
    properties=(Property("ExtRole"), Property("_Relation.Name"), Property("_Relation._Box.Name")),
    owner=Owner(EntityKind.RELATION, ("_Relation.Name", "_Relation._Box.Name"), required=True),
)

S, T = Column(EdmType.STRING, path=("P001",)), Column(EdmType.STRING, path=("P002",))
B, I = Column(EdmType.BOOLEAN, path=("P003",)), Column(EdmType.INT32, path=("P004",))  # noqa: E741
F, D = Column(EdmType.SINGLE, path=("P005",)), Column(EdmType.DOUBLE, path=("P006",))
M, L = Column(EdmType.DATETIME, path=("P007",)), Column(EdmType.STRING, path=("P008",), is_list=True)
N = Column(EdmType.INT32, path=("P009",), is_list=True)
U = Column(EdmType.STRING, path=("P012",))
US = Column(EdmType.STRING, path=("P013",), is_list=True)
PUBLISHED = Column(EdmType.DATETIME, Source.PUBLISHED)
LAT = Column(EdmType.DOUBLE, path=("P010", "C002", "C001"))
LIMITS = Limits()
Y2020 = 1_577_836_800_000


def parse(text: str, limits: Limits = LIMITS) -> Expression:
    return parse_filter(text, ITEM, limits, lambda url: url.replace("https://unit/", "personium-localunit:/"))


def refused(text: str, limits: Limits = LIMITS) -> Kind:
    with pytest.raises(Refusal) as caught:
        parse(text, limits)
    assert caught.value.text
    return caught.value.kind


def eq(column: Term, value: str | bool | int | float | None) -> Compare:
    return Compare(Comparison.EQ, column, Literal(value))


def test_the_columns_of_a_compound_key_are_those_of_its_owners() -> None:
    sources = [(find_column(OWNED, (name,)) or pytest.fail(name)).column for name in OWNED.key]
    assert [each and each.source for each in sources] == [Source.KEY, Source.OWNER_KEY, Source.OWNERS_OWNER_KEY]


@pytest.mark.parametrize(
    "path", ["x", "__published/x", "s/x", "homes/city", "address/x", "address/city/x", "__metadata", "__id/x"]
)
def test_a_path_that_leads_nowhere_has_no_column(path: str) -> None:
    assert find_column(ITEM, tuple(path.split("/"))) is None


def test_a_path_to_a_complex_value_has_a_property_alone() -> None:
    found = find_column(ITEM, ("address", "geo"))
    assert found is not None
    assert (found.property.name, found.column) == ("geo", None)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("s eq 'x'", eq(S, "x")),
        (" s  eq\t'x' ", eq(S, "x")),
        ("(s eq 'x')", eq(S, "x")),
        ("s ne 'x'", Compare(Comparison.NE, S, Literal("x"))),
        ("s ge ''", Compare(Comparison.GE, S, Literal(""))),
        ("s eq null", eq(S, None)),
        ("b ne null", Compare(Comparison.NE, B, Literal(None))),
        ("b eq true", eq(B, True)),
        ("b ne false", Compare(Comparison.NE, B, Literal(False))),
        ("s eq t", Compare(Comparison.EQ, S, T)),
        ("i lt d", Compare(Comparison.LT, I, D)),
        ("address/geo/lat gt 1.5", Compare(Comparison.GT, LAT, Literal(1.5))),
        ("7-a.b eq 'x'", eq(Column(EdmType.STRING, path=("P014",)), "x")),
        ("eq eq 'x'", eq(Column(EdmType.STRING, path=("P015",)), "x")),
        ("length eq 1", eq(Column(EdmType.INT32, path=("P016",)), 1)),
        ("__id eq 'x'", eq(Column(EdmType.STRING, Source.KEY), "x")),
        (f"__published ge {Y2020}", Compare(Comparison.GE, PUBLISHED, Literal(Y2020))),
        (f"__updated eq {Y2020}", eq(Column(EdmType.DATETIME, Source.UPDATED), Y2020)),
        ("startswith(s,'x')", Holds(Call("startswith", (S, Literal("x"))))),
        ("startswith ( s , 'x' )", Holds(Call("startswith", (S, Literal("x"))))),
        ("substringof('x',s)", Holds(Call("substringof", (Literal("x"), S)))),
        ("endswith(s,t)", Holds(Call("endswith", (S, T)))),
        ("endswith(s,'x') eq false", eq(Call("endswith", (S, Literal("x"))), False)),
        ("length(s) gt 3", Compare(Comparison.GT, Call("length", (S,)), Literal(3))),
        ("length(s) lt 3.5", Compare(Comparison.LT, Call("length", (S,)), Literal(3.5))),
        ("tolower(s) eq null", eq(Call("tolower", (S,)), None)),
        ("substring(s,1) eq 'x'", eq(Call("substring", (S, Literal(1))), "x")),
        ("substring(s,1,2) eq t", Compare(Comparison.EQ, Call("substring", (S, Literal(1), Literal(2))), T)),
        ("year(m) eq 2020", eq(Call("year", (M,)), 2020)),
        ("day(datetime'2020-01-01T00:00') eq i", Compare(Comparison.EQ, Call("day", (Literal(Y2020),)), I)),
        ("round(d) eq 2", eq(Call("round", (D,)), 2)),
        ("l eq 'x'", Contains(L, Literal("x"))),
        ("n ne 5", Not(Contains(N, Literal(5)))),
        ("l eq null", eq(L, None)),
        ("u eq 'https://unit/cell/'", eq(U, "personium-localunit:/cell/")),
        ("us eq 'https://unit/c/'", Contains(US, Literal("personium-localunit:/c/"))),
        ("startswith(u,'https://unit/')", Holds(Call("startswith", (U, Literal("personium-localunit:/"))))),
        ("s eq 'https://unit/cell/'", eq(S, "https://unit/cell/")),
    ],
)  # fmt: skip
def test_a_filter_says_what_must_be_true(text: str, expression: Expression) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("i eq 1 or i eq 2 and i eq 3", Some((eq(I, 1), All((eq(I, 2), eq(I, 3)))))),
        ("(i eq 1 or i eq 2) and i eq 3", All((Some((eq(I, 1), eq(I, 2))), eq(I, 3)))),
        ("i eq 1 and (i eq 2 and i eq 3) and i eq 4", All((eq(I, 1), eq(I, 2), eq(I, 3), eq(I, 4)))),
        ("not i eq 1 and i eq 2", All((Not(eq(I, 1)), eq(I, 2)))),
        ("not(i eq 1)", Not(eq(I, 1))),
        ("not not startswith(s,'x')", Not(Not(Holds(Call("startswith", (S, Literal("x"))))))),
        ("i add 2 mul 3 eq 7", eq(Call("add", (I, Call("mul", (Literal(2), Literal(3))))), 7)),
        ("(i add 2) mul 3 eq 7", eq(Call("mul", (Call("add", (I, Literal(2))), Literal(3))), 7)),
        ("i sub 1 sub 2 eq 7", eq(Call("sub", (Call("sub", (I, Literal(1))), Literal(2))), 7)),
        ("i div 2 mod 3 eq 0", eq(Call("mod", (Call("div", (I, Literal(2))), Literal(3))), 0)),
        ("d div 2 eq 0.5", eq(Call("ratio", (D, Literal(2))), 0.5)),
        ("i div 2.0 eq 0.5", eq(Call("ratio", (I, Literal(2.0))), 0.5)),
        ("-i mul 2 eq 6", eq(Call("mul", (Call("negate", (I,)), Literal(2))), 6)),
        ("i eq -(1)", Compare(Comparison.EQ, I, Call("negate", (Literal(1),)))),
        ("1 add i eq 2", eq(Call("add", (Literal(1), I)), 2)),
        ("d lt i add 1.5", Compare(Comparison.LT, D, Call("add", (I, Literal(1.5))))),
    ],
)
def test_operators_bind_as_odata_says(text: str, expression: Expression) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s eq 'it''s'", "it's"),
        ("s eq ''''", "'"),
        (r"s eq '\u0041\\\n\'''", "A\\\n'"),
        (r"s eq '\ud83d\ude00'", "\U0001f600"),
        ("s eq '\\'", "\\"),
        (r"s eq '\q'", "q"),
        ("s eq ' and (\" '", ' and (" '),
        ("i eq 2147483647", 2**31 - 1),
        ("i eq -2147483648", -(2**31)),
        ("i eq 1L", 1),
        ("f eq 12345.54321", 12345.54321),
        ("f eq -1", -1.0),
        ("f eq 1.5f", 1.5),
        ("f eq 1E+4", 10000.0),
        ("d eq 1", 1.0),
        ("d eq -1.5", -1.5),
        ("d eq 1.5d", 1.5),
        ("d eq 1E+5", 100000.0),
        ("d eq 0", 0.0),
        ("m eq datetime'2020-01-01T00:00'", Y2020),
        ("m eq datetime'2020-01-01T00:00:01'", Y2020 + 1000),
        ("m eq datetime'2020-01-01T00:00:01.5'", Y2020 + 1500),
        ("m eq datetime'2020-01-01T00:00:01.123'", Y2020 + 1123),
        ("m eq datetimeoffset'2020-01-01T09:00:00+09:00'", Y2020),
        ("m eq datetimeoffset'2019-12-31T23:30:00-00:30'", Y2020),
        ("m eq datetimeoffset'2020-01-01T00:00Z'", Y2020),
        ("m eq datetimeoffset'2020-01-01T00:00'", Y2020),
        ("m eq datetime'1753-01-01T00:00'", EARLIEST_MS),
        ("m eq datetime'9999-12-31T23:59:59.999'", LATEST_MS),
        ("m eq -1", -1),
    ],
)
def test_a_literal_is_worth_a_stored_value(text: str, value: object) -> None:
    expression = parse(text)
    assert isinstance(expression, Compare)
    assert expression.right == Literal(value)  # type: ignore[arg-type]
    assert isinstance(expression.right, Literal)
    assert type(expression.right.value) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s eq 'x",
        "s eq 'x''",
        "s EQ 'x'",
        "s eq 'x' AND i eq 1",
        "NOT (i eq 1)",
        "'x' eq s",
        "1 eq i",
        "true eq b",
        "null eq s",
        "s eq'x'",
        "s eq 'x'and i eq 1",
        "s eq 'x' and(i eq 1)",
        "i gt null",
        "s le null",
        "i gt true",
        "b gt b",
        "b ge true",
        "startswith(s,'x') gt true",
        "unknown(s)",
        "add(i,1) eq 2",
        "m eq datetime'2020-01-01'",
        "m eq datetime'2021-02-30T00:00'",
        "m eq datetime'2020-01-01T00:00Z'",
        "m eq datetime'2020-01-01T24:01'",
        "m eq datetime'0000-01-01T00:00'",
        "d eq 1E5",
        "d eq 1e+5",
        "d eq 1.0E-5",
        "d eq .5",
        "d eq 5.",
        "d eq +5",
        "d eq 1.5L",
        'i eq "x"',
        's eq "x"',
        "s eq guid'x'",
        "true",
        "false",
        "'x'",
        "1",
        "null",
        "i eq 1 and true",
        "not true",
        "address eq 'x'",
        "address/geo ne null",
        "s eq address",
        "l gt 'x'",
        "homes eq 'x'",
        "s eq",
        "s eq 'x' and",
        "and s eq 'x'",
        "x EQ 'x'",
        "(s eq 'x'",
        "s eq 'x')",
        "()",
        "i eq 1 eq 2",
        "i eq (i eq 1)",
        "(i eq 1) eq true",
        "length()",
        "length(s,s) eq 1",
        "startswith(s)",
        "startswith(s,'x'",
        "length(i eq 1) eq 1",
        "s eq 'x', i eq 1",
        "i eq 1 i eq 2",
        "s, t",
        "%",
    ],
)
def test_what_is_no_filter_cannot_be_parsed(text: str) -> None:
    assert refused(text) is FILTER_UNREADABLE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("s", FILTER_OPERATOR),
        ("b", FILTER_OPERATOR),
        ("not s", FILTER_OPERATOR),
        ("s and i eq 1", FILTER_OPERATOR),
        ("-i", FILTER_OPERATOR),
        ("i add 1", FILTER_OPERATOR),
        ("address", FILTER_OPERATOR),
        ("cast(i,'Edm.String') eq 'x'", FILTER_OPERATOR),
        ("isof('Edm.String')", FILTER_FUNCTION),
        ("isof(s,'Edm.String')", FILTER_FUNCTION),
        ("length(s)", FILTER_FUNCTION),
        ("tolower(s) or i eq 1", FILTER_FUNCTION),
        ("x eq 'x'", FILTER_PROPERTY),
        ("s eq x", FILTER_PROPERTY),
        ("s/x eq 'x'", FILTER_PROPERTY),
        ("homes/city eq 'x'", FILTER_PROPERTY),
        ("l/any(e: e eq 'x')", FILTER_PROPERTY),
        ("l/all(e: e eq 'x')", FILTER_PROPERTY),
        ("length(x) eq 1", FILTER_PROPERTY),
        ("s eq 1", FILTER_TYPE),
        ("s eq true", FILTER_TYPE),
        ("s eq datetime'2020-01-01T00:00'", FILTER_TYPE),
        ("b eq 'true'", FILTER_TYPE),
        ("b eq 1", FILTER_TYPE),
        ("i eq '1'", FILTER_TYPE),
        ("i eq 1.5", FILTER_TYPE),
        ("i eq true", FILTER_TYPE),
        ("f eq 'x'", FILTER_TYPE),
        ("f eq 1.5m", FILTER_TYPE),
        ("d eq 1f", FILTER_TYPE),
        ("d eq 1.5m", FILTER_TYPE),
        ("m eq '2020-01-01T00:00'", FILTER_TYPE),
        ("m eq 1.5", FILTER_TYPE),
        ("s eq i", FILTER_TYPE),
        ("m eq i", FILTER_TYPE),
        ("s eq l", FILTER_TYPE),
        ("l eq s", FILTER_TYPE),
        ("l eq 1", FILTER_TYPE),
        ("n eq 'x'", FILTER_TYPE),
        ("startswith(i,'x')", FILTER_TYPE),
        ("startswith(s,1)", FILTER_TYPE),
        ("startswith(l,'x')", FILTER_TYPE),
        ("startswith(address,'x')", FILTER_TYPE),
        ("startswith(s,null)", FILTER_TYPE),
        ("startswith(s,'x') eq 1", FILTER_TYPE),
        ("length(s) eq 'x'", FILTER_TYPE),
        ("year(1) eq 1970", FILTER_TYPE),
        ("i add 'x' eq 1", FILTER_TYPE),
        ("i add null eq 1", FILTER_TYPE),
        ("-s eq 1", FILTER_TYPE),
        ("i eq 2147483648", FILTER_VALUE),
        ("i eq -2147483649", FILTER_VALUE),
        ("i eq 99999999999999999999999", FILTER_VALUE),
        ("i eq 99999999999L", FILTER_VALUE),
        ("f eq 1.123456", FILTER_VALUE),
        ("f eq 123456.5", FILTER_VALUE),
        ("f eq 123456", FILTER_VALUE),
        ("f eq 1E+5", FILTER_VALUE),
        ("d eq 1E+400", FILTER_VALUE),
        ("m eq datetime'1752-12-31T23:59:59'", FILTER_VALUE),
        ("m eq datetimeoffset'9999-12-31T23:59:59-01:00'", FILTER_VALUE),
        (f"m eq {LATEST_MS + 1}", FILTER_VALUE),
        ("n eq 2147483648", FILTER_VALUE),
        ("year(datetime'1000-01-01T00:00') eq 1000", FILTER_VALUE),
        ("i add 9223372036854775808 eq 1", FILTER_VALUE),
        ("i add 1E+999 eq 1", FILTER_VALUE),
        (r"s eq '\u12'", FILTER_ESCAPE),
        (r"s eq '\u12zz'", FILTER_ESCAPE),
        (r"s eq '\ud83d'", FILTER_ESCAPE),
    ],
)
def test_what_does_not_fit_is_refused_for_its_reason(text: str, kind: Kind) -> None:
    assert refused(text) is kind


@pytest.mark.parametrize(
    ("text", "place"), [("", 1), ("s eq 'x' AND i eq 1", 9), ("d eq 1E5 and s eq 'x'", 6), ("i eq 1 and )", 12)]
)
def test_a_refusal_names_the_place(text: str, place: int) -> None:
    with pytest.raises(Refusal) as caught:
        parse(text)
    assert f"at character {place}." in caught.value.text


@pytest.mark.parametrize("joint", ["and", "or"])
def test_as_many_terms_as_the_limit_are_read_and_one_more_is_not(joint: str) -> None:
    limits = Limits(filter_terms=7)
    assert len(getattr(parse(f" {joint} ".join(["i eq 1"] * 7), limits), "parts", ())) == 7
    assert refused(f" {joint} ".join(["i eq 1"] * 8), limits) is FILTER_UNREADABLE


@pytest.mark.parametrize(
    "nested",
    [
        lambda depth: "(" * depth + "i eq 1" + ")" * depth,
        lambda depth: "not " * depth + "i eq 1",
        lambda depth: "- " * depth + "i eq 1",
        lambda depth: "tolower(" * depth + "s" + ")" * depth + " eq 'x'",
        lambda depth: "i" + " add 1" * depth + " eq 1",
        lambda depth: "i eq 1 or i eq 1 and not (" * depth + "i eq 1" + ")" * depth,
        lambda depth: "(i eq 1 or i eq 1 and i eq i add i mul " * depth + "i" + ")" * depth,
    ],
)
def test_a_filter_nested_too_deeply_is_refused_however_deep_it_is(nested) -> None:  # type: ignore[no-untyped-def]
    for depth in (52, 10_000, 100_000):
        assert refused(nested(depth)) is FILTER_UNREADABLE


def test_a_filter_nested_as_deeply_as_may_be_is_read() -> None:
    assert parse("(" * 50 + "i eq 1" + ")" * 50) == eq(I, 1)
    assert isinstance(parse("i" + " add 1" * 50 + " eq 1"), Compare)


@pytest.mark.parametrize("text", [" or ".join(["i eq 1"] * 10_000), "s eq '" + "''" * 100_000, "s" + " " * 100_000])
def test_a_long_filter_is_refused_at_once(text: str) -> None:
    refused(text)


# What is rendered is parsed to the same


def render_term(term: Term) -> str:
    match term:
        case Column(source=Source.DOCUMENT, path=path):
            return "address/geo/lat" if len(path) > 1 else NAMES[path[0]]
        case Column(source=source):
            return {Source.KEY: "__id", Source.PUBLISHED: "__published", Source.UPDATED: "__updated"}[source]
        case Literal(value):
            return render_literal(value)
        case Call("negate", (operand,)):
            return f"(-({render_term(operand)}))"
        case Call(name, (left, right)) if name in OPERATORS:
            return f"({render_term(left)} {'div' if name == 'ratio' else name} {render_term(right)})"
        case Call(name, arguments):
            return f"{name}({','.join(map(render_term, arguments))})"


def render_literal(value: object) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        case float():
            return f"{value:.6f}"
        case _:
            return str(value)


def render(expression: Expression) -> str:
    match expression:
        case Compare(comparison, left, right):
            return f"{render_term(left)} {comparison} {render_term(right)}"
        case Contains(column, value):
            return f"{render_term(column)} eq {render_term(value)}"
        case Holds(term):
            return render_term(term)
        case Not(part):
            return f"not ({render(part)})"
        case All(parts):
            return " and ".join(f"({render(each)})" for each in parts)
        case Some(parts):
            return " or ".join(f"({render(each)})" for each in parts)


NAMES = {each.column: each.name for each in ITEM.properties}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(Literal)
fractions = st.integers(-(10**9), 10**9).map(lambda number: Literal(number / 64))
wholes = st.integers(-(2**31), 2**31 - 1).map(Literal)
moments = st.integers(EARLIEST_MS, LATEST_MS).map(Literal)
null = st.just(Literal(None))
comparisons = st.sampled_from(Comparison)
equalities = st.sampled_from([Comparison.EQ, Comparison.NE])


def calls(name: str, *arguments: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.tuples(*arguments).map(lambda each: Call(name, each))


string_terms: st.SearchStrategy[Term] = st.recursive(
    st.sampled_from([S, T, Column(EdmType.STRING, Source.KEY)]),
    lambda inner: st.one_of(
        calls("tolower", inner),
        calls("concat", inner, texts | inner),
        calls("replace", inner, texts, texts),
        calls("substring", inner, wholes),
    ),
    max_leaves=3,
)
number_terms: st.SearchStrategy[Term] = st.recursive(
    st.sampled_from([I, F, D, LAT]) | calls("length", string_terms) | calls("year", st.just(M)),
    lambda inner: st.one_of(
        st.tuples(
            st.sampled_from(sorted(OPERATORS - {"negate", "div", "ratio"})), inner, inner | wholes | fractions
        ).map(lambda each: Call(each[0], each[1:])),
        calls("div", st.just(I), wholes),
        calls("ratio", st.sampled_from([F, D, LAT]), inner | wholes | fractions),
        calls("negate", inner | wholes),
        calls("floor", inner),
    ),
    max_leaves=4,
)
truths: st.SearchStrategy[Term] = calls("startswith", string_terms, texts) | calls("substringof", texts, string_terms)
leaves: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Compare, comparisons, string_terms, texts | string_terms),
    st.builds(Compare, comparisons, number_terms, number_terms),
    st.builds(Compare, comparisons, number_terms.filter(lambda term: isinstance(term, Call)), wholes | fractions),
    st.builds(Compare, comparisons, st.just(I), wholes),
    st.builds(Compare, comparisons, st.sampled_from([D, LAT]), fractions),
    st.builds(Compare, comparisons, st.sampled_from([M, Column(EdmType.DATETIME, Source.UPDATED)]), moments),
    st.builds(Compare, equalities, st.sampled_from([S, B, I, F, D, M, LAT, L]), null),
    st.builds(Compare, equalities, st.just(B) | truths, st.booleans().map(Literal)),
    st.builds(Contains, st.just(L), texts),
    st.builds(Contains, st.just(N), wholes),
    st.builds(Holds, truths),
)


def joined(inner: st.SearchStrategy[Expression], kind: type[All] | type[Some]) -> st.SearchStrategy[Expression]:
    parts = st.lists(inner.filter(lambda each: not isinstance(each, kind)), min_size=2, max_size=3)
    return parts.map(lambda each: kind(tuple(each)))


expressions = st.recursive(
    leaves, lambda inner: joined(inner, All) | joined(inner, Some) | st.builds(Not, inner), max_leaves=6
)


@given(expressions)
def test_a_filter_that_spells_an_expression_is_read_as_it(expression: Expression) -> None:
    assert parse(render(expression)) == expression


PIECES = [
    *"(),-'\" /.",
    *("s", "i", "m", "l", "address", "x", "7", "1.5", "1E+5", "'x'", "null", "true", "not"),
    "datetime'2020-01-01T00:00'",
    *(" eq ", " gt ", " and ", " or ", " add ", "length(", "startswith(", "cast(", "\\u00", "any("),
]


@given(st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_read_or_refused_with_400(text: str) -> None:
    try:
        parse(text)
    except Refusal as refusal:
        assert refusal.kind.status == 400
        assert refusal.text
