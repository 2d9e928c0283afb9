"""pyodata, a client of OData V2 in Python: what it reads and writes is what is there.

It is served in the shapes of OData V2 in both ways: by a unit that has them, by a header that asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyodata
import pytest
import requests
from pyodata.exceptions import HttpError
from pyodata.v2.model import Config
from pyodata.v2.service import GetEntitySetFilter

from tests.clients.conftest import BORN_MS, make_shop
from tests.odata_site import VERBOSE, Collection
from tests.running import MASTER, RunningUnit

BORN = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=BORN_MS)
TARO_HOME = {"city": "京都", "street": "河原町 1-2 <東> & 'x'"}


class Verbose(requests.Session):
    """A session that asks for JSON as OData V2 has it, where its user asks for JSON."""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        headers = dict(options.pop("headers", None) or {})
        if headers.get("Accept") == "application/json":
            headers |= VERBOSE
        return super().request(method, url, headers=headers, **options)


@pytest.fixture(scope="module")
def session(way: str) -> Iterator[requests.Session]:
    """A session of the unit's administrator."""
    with Verbose() if way == "header" else requests.Session() as session:
        session.trust_env = False
        session.headers.update({"Authorization": f"Bearer {MASTER}", **(VERBOSE if way == "header" else {})})
        yield session


@pytest.fixture(scope="module", params=["option", "header"])
def way(request: pytest.FixtureRequest) -> str:
    """How the shapes of OData V2 are asked for."""
    return str(request.param)


@pytest.fixture(scope="module")
def shop(way: str, unit: RunningUnit, v2_unit: RunningUnit) -> Collection:
    """A collection that tests only read."""
    return make_shop((unit if way == "header" else v2_unit).cell())


@pytest.fixture(scope="module")
def reading(shop: Collection, session: requests.Session) -> Any:
    """The client of that collection; it keeps nulls."""
    return pyodata.Client(shop.url, session, config=Config(retain_null=True))


@pytest.fixture(scope="module")
def writing(way: str, unit: RunningUnit, v2_unit: RunningUnit, session: requests.Session) -> Any:
    """The client of a collection that tests change: each entities of its own."""
    shop = make_shop((unit if way == "header" else v2_unit).cell())
    return pyodata.Client(shop.url, session, config=Config(retain_null=True))


def ids(entities: Any) -> list[str]:
    return [each.entity_key.to_key_string_without_parentheses().strip("'") for each in entities]


# $metadata


def test_the_schema_has_types_with_keys_and_properties(reading: Any) -> None:
    assert {each.name for each in reading.schema.entity_types} == {"Club", "Order", "Person"}
    assert {each.name for each in reading.schema.entity_sets} == {"Club", "Order", "Person"}
    person = reading.schema.entity_type("Person")
    assert [each.name for each in person.key_proprties] == ["__id"]
    assert {each.name: each.typ.name for each in person.proprties()} == {
        "__id": "Edm.String",
        "__published": "Edm.DateTime",
        "__updated": "Edm.DateTime",
        "active": "Edm.Boolean",
        "age": "Edm.Int32",
        "born": "Edm.DateTime",
        "height": "Edm.Double",
        "home": "Address",
        "name": "Edm.String",
        "tags": "Edm.String",
    }
    assert {each.name for each in reading.schema.complex_type("Address").proprties()} == {"city", "street"}


def test_the_schema_has_ways_from_type_to_type(reading: Any) -> None:
    ways = {
        (kind, way.name): (way.to_role.entity_type_name, way.to_role.multiplicity)
        for kind in ("Person", "Order", "Club")
        for way in reading.schema.entity_type(kind).nav_proprties
    }
    assert {each.name for each in reading.schema.associations} == {"Club_Person_assoc", "Order_Person_assoc"}
    assert ways == {
        ("Person", "_Order"): ("Order", "*"),
        ("Person", "_Club"): ("Club", "*"),
        ("Order", "_Person"): ("Person", "0..1"),
        ("Club", "_Person"): ("Person", "*"),
    }


@pytest.mark.parametrize(
    ("path", "entity_set"),
    [("__ctl/", "Account"), ("__ctl/", "ReceivedMessage"), ("$metadata/", "AssociationEnd"), ("unit", "Cell")],
)
def test_the_schemas_of_other_services_are_read(
    shop: Collection, session: requests.Session, path: str, entity_set: str
) -> None:
    cell = shop.site.url
    unit = cell.removesuffix(f"{shop.site.name}/")
    url = {"__ctl/": f"{cell}__ctl/", "$metadata/": f"{shop.url}$metadata/", "unit": f"{unit}__ctl/"}[path]
    assert pyodata.Client(url, session).schema.entity_set(entity_set).entity_type.name == entity_set


# Reading


def test_an_entity_has_the_values_that_it_was_made_with(reading: Any) -> None:
    taro = reading.entity_sets.Person.get_entity("taro").execute()
    assert (taro.name, taro.age, taro.height, taro.active) == ("山田 太郎", 39, 1.72, True)
    assert taro.born == BORN
    assert taro.home == TARO_HOME
    assert taro.tags == ["釣り", "tea & cake", ""]
    assert taro.__published <= taro.__updated
    assert taro.etag.startswith('W/"1-')


def test_what_an_entity_lacks_is_null(reading: Any) -> None:
    nobody = reading.entity_sets.Person.get_entity("nobody").execute()
    assert (nobody.name, nobody.age, nobody.active, nobody.born, nobody.home) == (None,) * 5


def test_what_was_not_selected_is_fetched_when_it_is_asked_for(reading: Any) -> None:
    taro = reading.entity_sets.Person.get_entity("taro").select("age").execute()
    assert taro.age == 39
    assert taro.name == "山田 太郎"
    assert taro.home == TARO_HOME


def test_an_entity_that_is_not_there_is_an_error(reading: Any) -> None:
    with pytest.raises(HttpError) as caught:
        reading.entity_sets.Person.get_entity("jiro").execute()
    assert caught.value.response.status_code == 404


def test_a_list_has_all_entities(reading: Any) -> None:
    persons = reading.entity_sets.Person.get_entities().execute()
    assert {each.name for each in persons} == {"山田 太郎", "鈴木 花子", "O'Brien", None}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"name": "山田 太郎"}, ["taro"]),
        ({"name": "O'Brien"}, ["o-brien"]),
        ({"name__startswith": "鈴木"}, ["hanako"]),
        ({"name__endswith": "太郎"}, ["taro"]),
        ({"name__contains": "'B"}, ["o-brien"]),
        ({"name__length": 5}, ["hanako", "taro"]),
        ({"name__in": ["O'Brien", "鈴木 花子"]}, ["hanako", "o-brien"]),
        ({"age__gt": 39}, ["o-brien"]),
        ({"age__gte": 39}, ["o-brien", "taro"]),
        ({"age__lt": 39, "active": False}, ["hanako"]),
        ({"height__lte": 1.6}, ["hanako"]),
        ({"born": BORN}, ["taro"]),
    ],
    ids=str,
)
def test_a_list_is_filtered(reading: Any, asked: dict[str, Any], found: list[str]) -> None:
    assert sorted(ids(reading.entity_sets.Person.get_entities().filter(**asked).execute())) == found


def test_a_filter_may_be_put_together_of_properties(reading: Any) -> None:
    persons = reading.entity_sets.Person.get_entities()
    born_then = GetEntitySetFilter.and_(persons.active == True, persons.born > BORN - timedelta(1))  # noqa: E712
    either = GetEntitySetFilter.or_(persons.age == 61, born_then)
    assert set(ids(persons.filter(either).execute())) == {"o-brien", "taro"}


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("age", ["hanako", "taro", "o-brien", "nobody"]),
        ("age desc", ["o-brien", "taro", "hanako", "nobody"]),
        ("active,__id desc", ["hanako", "taro", "o-brien", "nobody"]),
    ],
)
def test_a_list_is_sorted(reading: Any, order: str, found: list[str]) -> None:
    assert ids(reading.entity_sets.Person.get_entities().order_by(order).execute()) == found


def test_a_part_of_a_list_says_how_many_there_are_in_all(reading: Any) -> None:
    part = reading.entity_sets.Person.get_entities().order_by("__id").skip(1).top(2).count(inline=True).execute()
    assert ids(part) == ["nobody", "o-brien"]
    assert part.total_count == 4
    assert part.next_url is None


def test_entities_are_counted(reading: Any) -> None:
    assert reading.entity_sets.Person.get_entities().count().execute() == 4
    assert reading.entity_sets.Person.get_entities().filter(age__gt=30).count().execute() == 2


# Along navigation properties


def test_what_an_entity_leads_to_is_a_list_where_it_may_be_many(reading: Any) -> None:
    taro = reading.entity_sets.Person.get_entity("taro")
    orders = taro.nav("_Order").get_entities()
    assert {each.title: each.price for each in orders.execute()} == {"自転車": 120.5, "ベル": 3.25}
    assert ids(taro.nav("_Order").get_entities().filter("price lt 10").execute()) == ["o2"]
    assert taro.nav("_Club").get_entities().count().execute() == 2
    members = reading.entity_sets.Club.get_entity("go").execute().nav("_Person").get_entities().execute()
    assert set(ids(members)) == {"taro", "hanako"}


def test_what_an_entity_leads_to_is_one_entity_where_it_is_one_at_most(reading: Any) -> None:
    orders = reading.entity_sets.Order
    assert orders.get_entity("o3").nav("_Person").execute().name == "鈴木 花子"
    assert orders.get_entity("o3").execute().nav("_Person").execute().home == {"city": "Osaka", "street": None}
    with pytest.raises(HttpError) as caught:
        orders.get_entity("o4").nav("_Person").execute()
    assert caught.value.response.status_code == 404


def test_what_an_entity_leads_to_comes_with_it(reading: Any) -> None:
    taro = reading.entity_sets.Person.get_entity("taro").expand("_Order,_Club").execute()
    assert {each.title for each in taro._Order} == {"自転車", "ベル"}
    assert {each.name for each in taro._Club} == {"将棋", "囲碁"}
    orders = reading.entity_sets.Order.get_entities().order_by("__id").expand("_Person").execute()
    assert [each._Person and each._Person.name for each in orders] == ["山田 太郎", "山田 太郎", "鈴木 花子", None]


# Writing


def test_a_new_entity_has_what_it_was_given(writing: Any) -> None:
    values = {"name": "佐藤", "age": 5, "height": 1.5, "active": True, "born": BORN, "home": TARO_HOME}
    made = writing.entity_sets.Person.create_entity().set(__id="new", tags=["a", "b"], **values).execute()
    for person in (made, writing.entity_sets.Person.get_entity("new").execute()):
        assert ids([person]) == ["new"]
        assert {name: getattr(person, name) for name in values} == values
        assert person.tags == ["a", "b"]


def test_a_new_entity_gets_an_id(writing: Any) -> None:
    made = writing.entity_sets.Person.create_entity().set(name="誰か").execute()
    assert writing.entity_sets.Person.get_entity(ids([made])[0]).execute().name == "誰か"


def test_a_new_entity_is_linked_when_it_is_made_along_a_way(writing: Any) -> None:
    writing.entity_sets.Person.create_entity().set(__id="buyer").execute()
    buyer = writing.entity_sets.Person.get_entity("buyer").execute()
    buyer.nav("_Order").create_entity().set(__id="bought", title="箱").execute()
    assert writing.entity_sets.Order.get_entity("bought").nav("_Person").execute().entity_key.to_key_string() == (
        "('buyer')"
    )


@pytest.mark.parametrize(("method", "name"), [("PATCH", "変わらない"), ("MERGE", "変わらない"), ("PUT", None)])
def test_an_update_changes_what_it_says(writing: Any, method: str, name: str | None) -> None:
    key = f"by-{method}"
    persons = writing.entity_sets.Person
    persons.create_entity().set(__id=key, name="変わらない", age=1, home=TARO_HOME).execute()
    persons.update_entity(key, method=method).set(age=2, home={"city": "奈良"}).execute()
    person = persons.get_entity(key).execute()
    assert (person.name, person.age) == (name, 2)
    assert person.home == {"city": "奈良", "street": None if method == "PUT" else TARO_HOME["street"]}


def test_an_update_of_another_version_is_refused(writing: Any) -> None:
    persons = writing.entity_sets.Person
    old = persons.create_entity().set(__id="versioned", age=1).execute()
    persons.update_entity("versioned").set(age=2).execute()
    late = persons.update_entity("versioned").set(age=3)
    late.add_headers({"If-Match": old.etag})
    with pytest.raises(HttpError) as caught:
        late.execute()
    assert caught.value.response.status_code == 412
    assert persons.get_entity("versioned").execute().age == 2


def test_a_deleted_entity_is_gone(writing: Any) -> None:
    persons = writing.entity_sets.Person
    persons.create_entity().set(__id="short-lived").execute()
    persons.delete_entity("short-lived").execute()
    with pytest.raises(HttpError) as caught:
        persons.get_entity("short-lived").execute()
    assert caught.value.response.status_code == 404


def test_control_objects_are_made_found_by_both_parts_of_their_key_and_deleted(
    shop: Collection, session: requests.Session
) -> None:
    cell = pyodata.Client(f"{shop.site.url}__ctl/", session, config=Config(retain_null=True))
    key = {"Name": "clerk", "_Box.Name": "office"}
    cell.entity_sets.Box.create_entity().set(Name="office").execute()
    assert cell.entity_sets.Role.create_entity().set(**key).execute().entity_key.to_key_string() == (
        "(Name='clerk',_Box.Name='office')"
    )
    assert cell.entity_sets.Role.get_entity(**key).execute().nav("_Box").execute().Name == "office"
    (box,) = cell.entity_sets.Box.get_entities().expand("_Role").execute()
    assert [each.Name for each in box._Role] == ["clerk"]
    cell.entity_sets.Role.delete_entity(**key).execute()
    assert cell.entity_sets.Role.get_entities().count().execute() == 0


# $batch


def in_v2(request: Any) -> Any:
    """*request*, whose answer within a batch has the shape of OData V2 whatever the unit's own."""
    request.add_headers(VERBOSE)
    return request


def test_a_batch_reads_and_its_changeset_writes(writing: Any) -> None:
    persons = writing.entity_sets.Person
    persons.create_entity().set(__id="in-batch", age=1).execute()
    persons.create_entity().set(__id="out-batch").execute()
    changes = writing.create_changeset()
    changes.add_request(in_v2(persons.create_entity().set(__id="of-batch", name="一括", age=100)))
    changes.add_request(persons.update_entity("in-batch").set(age=101))
    changes.add_request(persons.update_entity("in-batch", method="MERGE").set(name="束"))
    changes.add_request(persons.delete_entity("out-batch"))
    batch = writing.create_batch()
    batch.add_request(in_v2(persons.get_entity("in-batch")))
    batch.add_request(changes)
    batch.add_request(in_v2(persons.get_entities().filter(age__gte=100).order_by("age")))
    batch.add_request(in_v2(writing.entity_sets.Order.get_entity("o1").nav("_Person")))
    before, (made, *changed), listed, owner = batch.execute()
    assert before.age == 1
    assert (ids([made]), made.name) == (["of-batch"], "一括")
    assert changed == [None, None, None]
    assert [(each.name, each.age) for each in listed] == [("一括", 100), ("束", 101)]
    assert owner.name == "山田 太郎"
    with pytest.raises(HttpError):
        persons.get_entity("out-batch").execute()


def test_a_changeset_that_fails_leaves_nothing_behind(writing: Any) -> None:
    persons = writing.entity_sets.Person
    changes = writing.create_changeset()
    changes.add_request(persons.create_entity().set(__id="half-made"))
    changes.add_request(persons.update_entity("never-there").set(age=1))
    batch = writing.create_batch()
    batch.add_request(changes)
    with pytest.raises(HttpError) as caught:
        batch.execute()
    assert caught.value.response.status_code == 404
    with pytest.raises(HttpError):
        persons.get_entity("half-made").execute()


def test_a_long_list_goes_on_behind_its_next_link(writing: Any) -> None:
    changes = writing.create_changeset()
    for number in range(60):
        changes.add_request(in_v2(writing.entity_sets.Order.create_entity().set(pieces=1000 + number)))
    batch = writing.create_batch()
    batch.add_request(changes)
    batch.execute()
    seen: list[int] = []
    page = writing.entity_sets.Order.get_entities().filter("pieces ge 1000").order_by("pieces desc").execute()
    while page.next_url is not None:
        assert len(page) == 25
        seen += [each.pieces for each in page]
        page = writing.entity_sets.Order.get_entities().next_url(page.next_url).execute()
    assert seen + [each.pieces for each in page] == list(range(1059, 999, -1))
