"""What query options say, how each is refused, and where a list goes on."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cmp_to_key

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.config import Limits
from alveary.errors import (
    EXPAND_TOO_MANY,
    EXPAND_UNREADABLE,
    FILTER_UNREADABLE,
    FORMAT_UNKNOWN,
    INLINECOUNT_UNKNOWN,
    NOT_ACCEPTABLE_ODATA,
    ORDERBY_LIST,
    ORDERBY_UNREADABLE,
    QUERY_NOT_A_NUMBER,
    QUERY_VALUE,
    SELECT_UNREADABLE,
    Kind,
    Refusal,
)
from alveary.model.edm import ComplexType, EntitySet, Property
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind, JsonValue
from alveary.model.queries import All, Column, Compare, Comparison, Expression, Order, Some, Source
from alveary.wire.odata_options import (
    MAX_ORDERS,
    Answer,
    EntityOptions,
    Expand,
    Format,
    ListOptions,
    after,
    answer_format,
    decode_token,
    encode_token,
    parse_order,
    parse_query,
)

LIMITS = Limits()
ADDRESS = ComplexType("Address", (Property("city", column="C001"),))
ITEM = EntitySet(
    "Item",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(
        Property("__id"),
        Property("s", column="P001"),
        Property("i", EdmType.INT32, column="P002"),
        Property("l", is_list=True, column="P003"),
        Property("address", ADDRESS, column="P004"),
        Property("homes", ADDRESS, is_list=True, column="P005"),
        Property("7", column="P006"),
        *(Property(f"p{number}") for number in range(MAX_ORDERS + 1)),
    ),
    type_id="item",
)
S, I = Column(EdmType.STRING, path=("P001",)), Column(EdmType.INT32, path=("P002",))  # noqa: E741


def of_list(query_string: str, limits: Limits = LIMITS) -> ListOptions:
    return ListOptions.parse(parse_query(query_string), limits)


def of_entity(query_string: str, limits: Limits = LIMITS) -> EntityOptions:
    return EntityOptions.parse(parse_query(query_string), limits)


def list_refused(query_string: str, limits: Limits = LIMITS) -> Kind:
    with pytest.raises(Refusal) as caught:
        of_list(query_string, limits)
    assert caught.value.text
    return caught.value.kind


def test_options_are_decoded_and_the_first_of_a_repeated_one_counts() -> None:
    assert parse_query("q=a+b%27&q=c&$top=1&x=") == {"q": "a b'", "$top": "1", "x": ""}


def test_no_options_ask_for_all_of_everything() -> None:
    assert of_list("") == ListOptions()
    assert of_list("$search=x&$unknown=1") == ListOptions()
    assert of_entity("") == EntityOptions()


def test_every_option_of_a_list_is_read() -> None:
    shown = "$select=a,b&$expand=_A&$top=5&$skip=7&$inlinecount=allpages"
    options = of_list(f"$filter=a eq 1&$orderby=a desc&{shown}&q=x y&$skiptoken=t")
    assert options == ListOptions(
        "a eq 1", "a desc", frozenset({"a", "b"}), (Expand("_A"),), 5, 7, True, ("x", "y"), "t"
    )


# The format


@pytest.mark.parametrize(
    ("wanted", "accept", "format_"),
    [
        (None, "", Format.JSON),
        (None, "*/*", Format.JSON),
        (None, "application/*", Format.JSON),
        (None, "application/json", Format.JSON),
        (None, "Application/JSON;charset=utf-8", Format.JSON),
        (None, "application/atom+xml", Format.ATOM),
        (None, "application/xml", Format.ATOM),
        (None, "text/html, application/xml;q=0.9, */*;q=0.8", Format.ATOM),
        (None, "application/atom+xml, application/json", Format.JSON),
        (None, "text/html, */*", Format.JSON),
        ("json", "application/atom+xml", Format.JSON),
        ("JSON", "text/html", Format.JSON),
        ("atom", "application/json", Format.ATOM),
        ("Atom", "", Format.ATOM),
        ("xml", "", Format.ATOM),
    ],
)
def test_format_beats_accept_and_json_beats_atom(wanted: str | None, accept: str, format_: Format) -> None:
    query = {} if wanted is None else {"$format": wanted}
    assert answer_format(query, accept, "personium") == Answer(format_, "personium")


@pytest.mark.parametrize("wanted", ["", "jso", "csv", "application/json"])
def test_an_unknown_format_is_refused(wanted: str) -> None:
    with pytest.raises(Refusal) as caught:
        answer_format({"$format": wanted}, "application/json", "v2")
    assert caught.value.kind is FORMAT_UNKNOWN


@pytest.mark.parametrize("accept", ["text/html", "image/*, text/*", "application/jsonp"])
def test_a_header_that_accepts_no_format_is_refused(accept: str) -> None:
    with pytest.raises(Refusal) as caught:
        answer_format({}, accept, "v2")
    assert caught.value.kind is NOT_ACCEPTABLE_ODATA


@pytest.mark.parametrize(
    "accept", ["application/json;odata=verbose", "application/json ; charset=utf-8 ; OData=verbose"]
)
def test_verbose_json_has_the_shape_of_v2(accept: str) -> None:
    assert answer_format({}, accept, "personium") == Answer(Format.JSON, "v2")


def test_the_shape_is_the_given_one_otherwise() -> None:
    assert answer_format({}, "application/json;odata=minimal, */*;odata=verbose", "v2").shape == "v2"
    assert answer_format({}, "application/json;odata=minimal, */*;odata=verbose", "personium").shape == "personium"


# Paging


@pytest.mark.parametrize(
    ("query_string", "kind"),
    [
        ("$top=", QUERY_NOT_A_NUMBER),
        ("$top=x", QUERY_NOT_A_NUMBER),
        ("$top=1.5", QUERY_NOT_A_NUMBER),
        ("$top=%2B1", QUERY_NOT_A_NUMBER),
        ("$top=99999999999", QUERY_NOT_A_NUMBER),
        ("$top=-1", QUERY_VALUE),
        ("$top=10001", QUERY_VALUE),
        ("$top=101&$expand=_A", QUERY_VALUE),
        ("$skip=", QUERY_NOT_A_NUMBER),
        ("$skip=x", QUERY_NOT_A_NUMBER),
        ("$skip=-1", QUERY_VALUE),
        ("$skip=100001", QUERY_VALUE),
        ("$inlinecount=", INLINECOUNT_UNKNOWN),
        ("$inlinecount=AllPages", INLINECOUNT_UNKNOWN),
        ("$inlinecount=all", INLINECOUNT_UNKNOWN),
        ("q=", QUERY_VALUE),
        ("q=" + "x" * 256, QUERY_VALUE),
        ("q=" + "%E3%81%82" * 86, QUERY_VALUE),
    ],
)
def test_what_a_list_cannot_be_asked_for_is_refused(query_string: str, kind: Kind) -> None:
    assert list_refused(query_string) is kind


@pytest.mark.parametrize(
    "query_string", ["$top=0", "$top=10000", "$top=100&$expand=_A", "$skip=100000", "q=" + "x" * 255]
)
def test_limits_are_within(query_string: str) -> None:
    of_list(query_string)


def test_a_list_without_top_and_skip_says_so() -> None:
    assert (of_list("$inlinecount=none").top, of_list("").skip, of_list("$top=0").top) == (None, 0, 0)


def test_words_are_split_at_blanks_and_quotes_are_not_special() -> None:
    assert of_list('q= "a  b"%E3%80%80c ').words == ('"a', 'b"', "c")


# What is shown


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ("*", None),
        (" * ", None),
        ("a", {"a"}),
        ("a, b ,a", {"a", "b"}),
        ("__id,_Box.Name,x-y", {"__id", "_Box.Name", "x-y"}),
        ("_A/b,address/city", {"_A", "address"}),
        ("7a", {"7a"}),
    ],
)
def test_select_is_a_set_of_names_or_all(raw: str, names: set[str] | None) -> None:
    expected = None if names is None else frozenset(names)
    assert of_entity(f"$select={raw}").select == of_list(f"$select={raw}").select == expected


@pytest.mark.parametrize(
    "raw", ["", " ", "'a'", "1", "1.5", "a,*", "*,a", "a,", ",a", "a b", "a/", "/a", "a//b", "null", "%25"]
)
def test_a_select_that_is_no_list_of_names_is_refused(raw: str) -> None:
    assert list_refused(f"$select={raw}") is SELECT_UNREADABLE
    with pytest.raises(Refusal) as caught:
        of_entity(f"$select={raw}")
    assert caught.value.kind is SELECT_UNREADABLE


def test_expand_is_a_tree() -> None:
    limits = Limits(expand_list_properties=4)
    tree = (Expand("_A", (Expand("_B", (Expand("_C"),)),)), Expand("_D"))
    assert of_list("$expand=_A,_A/_B,_D,_A/_B/_C,_D", limits).expand == tree
    assert of_entity("$expand=_A/_B/_C,_D").expand == tree


@pytest.mark.parametrize(
    "raw", ["", "A", "_", "_A, _B", " _A", "_A,", "_A/", "/_A", "_A/B", "_A/_B/_C/_D", "_A+_B", "*"]
)
def test_an_expand_that_names_no_navigation_properties_is_refused(raw: str) -> None:
    assert list_refused(f"$expand={raw}") is EXPAND_UNREADABLE
    with pytest.raises(Refusal) as caught:
        of_entity(f"$expand={raw}")
    assert caught.value.kind is EXPAND_UNREADABLE


def test_a_list_expands_two_properties_and_an_entity_ten() -> None:
    assert len(of_list("$expand=_A,_B").expand) == 2
    assert list_refused("$expand=_A,_B,_C") is EXPAND_TOO_MANY
    assert list_refused("$expand=_A/_B/_C") is EXPAND_TOO_MANY
    ten = ",".join(f"_{number}" for number in range(10))
    assert len(of_entity(f"$expand={ten}").expand) == 10
    with pytest.raises(Refusal) as caught:
        of_entity(f"$expand={ten},_A")
    assert caught.value.kind is EXPAND_TOO_MANY


# Order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("s", [Order(S)]),
        (" s  asc , i desc", [Order(S), Order(I, descending=True)]),
        ("s desc,s", [Order(S, descending=True)]),
        ("x", []),
        ("x desc,i", [Order(I)]),
        ("s/x", []),
        ("address", []),
        ("address/city", [Order(Column(EdmType.STRING, path=("P004", "C001")))]),
        ("homes/city", []),
        ("7", [Order(Column(EdmType.STRING, path=("P006",)))]),
        ("__published", [Order(Column(EdmType.DATETIME, Source.PUBLISHED))]),
        ("__id desc", [Order(Column(EdmType.STRING, Source.KEY), descending=True)]),
    ],
)
def test_an_order_is_columns(text: str, order: list[Order]) -> None:
    assert parse_order(text, ITEM) == tuple(order)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", ORDERBY_UNREADABLE),
        (" ", ORDERBY_UNREADABLE),
        ("s,", ORDERBY_UNREADABLE),
        (",s", ORDERBY_UNREADABLE),
        ("s,,i", ORDERBY_UNREADABLE),
        ("s i", ORDERBY_UNREADABLE),
        ("s ASC", ORDERBY_UNREADABLE),
        ("s desc asc", ORDERBY_UNREADABLE),
        ("s/", ORDERBY_UNREADABLE),
        ("-s", ORDERBY_UNREADABLE),
        ("length(s)", ORDERBY_UNREADABLE),
        ("'s", ORDERBY_UNREADABLE),
        (",".join(f"p{number}" for number in range(MAX_ORDERS + 1)), ORDERBY_UNREADABLE),
        ("l", ORDERBY_LIST),
        ("homes desc", ORDERBY_LIST),
        ("'a, b'", FILTER_UNREADABLE),
        ("s, 'a' desc", FILTER_UNREADABLE),
        ("1", FILTER_UNREADABLE),
        ("1.5", FILTER_UNREADABLE),
        ("true", FILTER_UNREADABLE),
        ("null", FILTER_UNREADABLE),
        ("datetime'2020-01-01T00:00'", FILTER_UNREADABLE),
    ],
)
def test_what_nothing_is_sorted_by_is_refused(text: str, kind: Kind) -> None:
    with pytest.raises(Refusal) as caught:
        parse_order(text, ITEM)
    assert caught.value.kind is kind
    assert caught.value.text


def test_as_many_columns_as_may_be_are_sorted_by() -> None:
    assert len(parse_order(",".join(f"p{number}" for number in range(MAX_ORDERS)), ITEM)) == MAX_ORDERS


# Where a list goes on

characters = st.characters(exclude_categories=["Cs"])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(characters),
)


@given(st.lists(values))
def test_a_token_is_read_as_it_was_made(given_values: list[JsonValue]) -> None:
    token = encode_token(given_values)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert decode_token(token, len(given_values)) == given_values


def token_of(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "!",
        "a",
        "abc",
        "\u3042",
        token_of("{}"),
        token_of("[1"),
        token_of("[[1]]"),
        token_of("[1,2]"),
        token_of("[NaN]"),
    ],
)
def test_a_token_that_is_none_is_refused(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        decode_token(raw, 1)
    assert caught.value.kind is QUERY_VALUE
    assert caught.value.text


@given(st.text())
def test_any_token_is_read_or_refused(raw: str) -> None:
    try:
        decode_token(raw, 1)
    except Refusal as refusal:
        assert refusal.kind is QUERY_VALUE


@pytest.mark.parametrize("value", [1, True, 1.5])
def test_a_value_of_another_type_than_its_column_has_is_refused(value: JsonValue) -> None:
    with pytest.raises(Refusal) as caught:
        after((Order(S),), [value])
    assert caught.value.kind is QUERY_VALUE


@pytest.mark.parametrize("value", ["x", True, 2**63, 1.5])
def test_a_moment_is_a_whole_number_that_a_store_holds(value: JsonValue) -> None:
    with pytest.raises(Refusal) as caught:
        after((Order(Column(EdmType.DATETIME, Source.PUBLISHED)),), [value])
    assert caught.value.kind is QUERY_VALUE


COLUMNS = (
    Column(EdmType.STRING, path=("0",)),
    Column(EdmType.DOUBLE, path=("1",)),
    Column(EdmType.BOOLEAN, path=("2",)),
    Column(EdmType.STRING, Source.KEY, path=("3",)),
)
rows = st.tuples(
    st.none() | st.sampled_from(["", "a", "b", "\U0001f600"]),
    st.none() | st.sampled_from([-1.5, 0, 2]),
    st.none() | st.booleans(),
    st.sampled_from(["x", "y"]),
)
orders = st.permutations(COLUMNS).flatmap(
    lambda columns: st.lists(st.booleans(), min_size=1, max_size=len(columns)).map(
        lambda ways: tuple(Order(column, way) for column, way in zip(columns, ways, strict=False))
    )
)
Cells = tuple[JsonValue, ...]


def cell(row: Cells, column: Column) -> JsonValue:
    return row[int(column.path[0])]


def order_of(one: Cells, other: Cells, order: tuple[Order, ...]) -> int:
    for each in order:
        left, right = cell(one, each.column), cell(other, each.column)
        if left == right:
            continue
        if left is None or right is None:
            return 1 if left is None else -1
        return (-1 if left < right else 1) * (-1 if each.descending else 1)  # type: ignore[operator]
    return 0


def holds(expression: Expression, row: Cells) -> bool:
    match expression:
        case All(parts):
            return all(holds(each, row) for each in parts)
        case Some(parts):
            return any(holds(each, row) for each in parts)
        case Compare(comparison, Column() as column, right):
            value, other = cell(row, column), right.value  # type: ignore[union-attr]
            if comparison is Comparison.EQ:
                return value == other
            assert column.type is not EdmType.BOOLEAN
            if value is None:
                return False
            return value > other if comparison is Comparison.GT else value < other  # type: ignore[operator]
    raise AssertionError(expression)


@given(st.lists(rows, min_size=1, max_size=12), orders, st.data())
def test_after_is_what_sorting_puts_behind(
    listed: list[Cells], order: tuple[Order, ...], data: st.DataObject
) -> None:
    def compare(one: Cells, other: Cells) -> int:
        return order_of(one, other, order)

    listed.sort(key=cmp_to_key(compare))
    at = data.draw(st.integers(0, len(listed) - 1))
    here = listed[at]
    behind = after(order, [cell(here, each.column) for each in order])
    # Those that the order does not tell apart from it stand beside it and are not behind.
    expected = [row for row in listed[at + 1 :] if order_of(here, row, order)]
    assert [row for row in listed if holds(behind, row)] == expected


def test_nothing_is_behind_a_null() -> None:
    assert after((Order(S),), [None]) == after((Order(S, descending=True),), [None]) == Some(())
