"""A subject in a request of a certain key is the same subject."""

from __future__ import annotations

from dataclasses import fields, replace

from alveary.model import acl as acls
from alveary.usecases.access import Access, Who


def test_nothing_but_the_key_is_another() -> None:
    access = Access(None, Who.ACCOUNT, frozenset({"role"}), acls.EMPTY)
    for number, each in enumerate(fields(Access)):
        access = replace(access, **{each.name: f"value {number}"})
    assert access.asking("key") == replace(access, request_key="key")
