"""The JSON form of ACLs: Personium's spellings in, one spelling out, nothing unknown let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.model.acl import ALL, AUTHENTICATED, EMPTY, SCHEMA_AUTHZ_LEVELS, UNAUTHENTICATED, Ace, Acl
from alveary.model.privileges import NAMESPACE, BoxPrivilege, CellPrivilege
from alveary.wire.acl_json import parse_acl, render_acl

ROLE = "IaHwbW68R0inkEcHSZUxXg"

ACES = st.builds(
    Ace,
    st.sampled_from([ALL, AUTHENTICATED, UNAUTHENTICATED, ROLE, "-LCdpq2SSFCrhDgD1dTgZg"]),
    st.lists(st.sampled_from(list(NAMESPACE)), max_size=4).map(tuple),
)
ACLS = st.builds(Acl, st.lists(ACES, max_size=4).map(tuple), st.sampled_from([None, *SCHEMA_AUTHZ_LEVELS]))


@given(ACLS)
def test_what_is_rendered_parses_to_the_same(acl: Acl) -> None:
    assert parse_acl(render_acl(acl)) == acl


def test_it_is_the_form_that_personium_writes() -> None:
    acl = Acl(
        (
            Ace(ALL, (BoxPrivilege.READ,)),
            Ace(ROLE, (CellPrivilege.ROOT, BoxPrivilege.EXEC, BoxPrivilege.READ_ACL)),
        ),
        "public",
    )
    assert render_acl(acl) == {
        "D.ace": [
            {"D.principal": {"D.all": ""}, "D.grant": {"D.privilege": [{"D.read": {}}]}},
            {
                "D.principal": {"D.href": ROLE},
                "D.grant": {"D.privilege": [{"p.root": {}}, {"p.exec": {}}, {"D.read-acl": {}}]},
            },
        ],
        "@p.requireSchemaAuthz": "public",
    }


def test_an_empty_acl_is_an_empty_object() -> None:
    assert render_acl(EMPTY) == {}
    assert [parse_acl(form) for form in ({}, None, "", {"D.ace": []}, {"D.ace": None})] == [EMPTY] * 5


@pytest.mark.parametrize("inner", ["", None, {}], ids=repr)
@pytest.mark.parametrize("as_list", [True, False], ids=["lists", "single objects"])
def test_the_older_spellings_are_read(inner: object, as_list: bool) -> None:
    privilege: object = {"D.write": inner}
    ace: object = {
        "D.principal": {"D.all": inner},
        "D.grant": {"D.privilege": [privilege] if as_list else privilege},
    }
    form = {"D.ace": [ace] if as_list else ace, "@requireSchemaAuthz": "confidential", "@base": "https://x/"}
    assert parse_acl(form) == Acl((Ace(ALL, (BoxPrivilege.WRITE,)),), "confidential")


GRANT = {"D.privilege": [{"D.read": {}}]}


@pytest.mark.parametrize(
    "form",
    [
        [],
        "text",
        {"@p.requireSchemaAuthz": "sometimes"},
        {"@p.requireSchemaAuthz": ["public"]},
        {"D.ace": ["text"]},
        {"D.ace": [{"D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.href": ""}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.href": 7}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.href": ALL}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.self": ""}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.all": "", "D.href": ROLE}, "D.grant": GRANT}]},
        {"D.ace": [{"D.principal": {"D.href": ROLE}, "D.deny": GRANT}]},
        {"D.ace": [{"D.principal": {"D.href": ROLE}, "D.grant": GRANT, "D.invert": {}}]},
        {"D.ace": [{"D.principal": {"D.href": ROLE}, "D.grant": {"D.privilege": [{"p.read": {}}]}}]},
        {"D.ace": [{"D.principal": {"D.href": ROLE}, "D.grant": {"D.privilege": [{"D.root": {}}]}}]},
        {"D.ace": [{"D.principal": {"D.href": ROLE}, "D.grant": {"D.privilege": ["read"]}}]},
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused(form: object) -> None:
    with pytest.raises(ValueError):
        parse_acl(form)
