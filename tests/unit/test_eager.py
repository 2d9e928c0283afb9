"""Work that runs before it has a task."""

from __future__ import annotations

import asyncio

import pytest

from alveary.http.eager import run_at_once


async def test_work_that_waits_for_nothing_is_done_at_once() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all")

    assert run_at_once(work()) is None
    assert done == ["all"]


async def test_what_remains_goes_on_where_the_work_began_to_wait() -> None:
    done: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        done.append("begun")
        await first.wait()
        await asyncio.sleep(0)
        await second.wait()
        done.append("ended")

    rest = run_at_once(work())
    assert rest is not None
    task = asyncio.create_task(rest)
    assert done == ["begun"]
    first.set()
    second.set()
    await task
    assert done == ["begun", "ended"]


async def test_a_cancelled_task_cancels_the_work() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            done.append("tidied")
            raise

    rest = run_at_once(work())
    assert rest is not None
    task = asyncio.create_task(rest)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["tidied"]


async def test_an_error_after_the_wait_is_the_tasks() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError

    rest = run_at_once(work())
    assert rest is not None
    with pytest.raises(LookupError):
        await asyncio.create_task(rest)
