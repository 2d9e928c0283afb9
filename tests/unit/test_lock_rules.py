"""What a lock covers and which locks are rivals, against the sentences of RFC 4918 taken word for word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alveary.model.locks import NO_LOCKS, Lock, Locks, LockScope, Trail

trails = st.lists(st.sampled_from("ab"), max_size=4).map(tuple)
scopes = st.sampled_from(LockScope)
locks = st.builds(
    Lock,
    st.uuids().map(str),
    st.just("box"),
    trails,
    scopes,
    st.booleans(),
    st.just(""),
    st.just("holder"),
    st.integers(0, 5),
)
many = st.lists(locks, max_size=6)


def is_on_or_below(trail: Trail, root: Trail) -> bool:
    return trail[: len(root)] == root


@given(many, trails)
def test_a_resource_is_covered_by_locks_on_it_and_by_deep_ones_above(found: list[Lock], trail: Trail) -> None:
    expected = {lock for lock in found if lock.trail == trail or (lock.deep and is_on_or_below(trail, lock.trail))}
    covering = Locks.of(found).on(trail)
    assert set(covering) == expected
    assert len(covering) == len(expected)


@given(many, trails)
def test_below_are_the_locks_whose_roots_are(found: list[Lock], trail: Trail) -> None:
    expected = {lock for lock in found if lock.trail != trail and is_on_or_below(lock.trail, trail)}
    assert set(Locks.of(found).below(trail)) == expected


@given(many, st.integers(0, 6))
def test_a_lock_whose_time_has_come_is_as_if_it_were_not_there(found: list[Lock], now_ms: int) -> None:
    assert set(Locks.of(found).at(now_ms)) == {lock for lock in found if lock.until_ms > now_ms}


@given(many, trails, scopes)
def test_two_locks_go_together_only_when_both_are_shared(found: list[Lock], trail: Trail, scope: LockScope) -> None:
    all_of_them = Locks.of(found)
    for rivals, near in (
        (all_of_them.rivals(trail, scope), all_of_them.on(trail)),
        (all_of_them.rivals_below(trail, scope), all_of_them.below(trail)),
    ):
        both_shared = {lock for lock in near if lock.scope is scope is LockScope.SHARED}
        assert set(rivals) == set(near) - both_shared


def test_where_there_are_none_there_are_none() -> None:
    assert not NO_LOCKS
    assert not Locks.of([])
    assert NO_LOCKS.at(10**15) is NO_LOCKS
    assert NO_LOCKS.on(("a",)) == NO_LOCKS.below(()) == ()
