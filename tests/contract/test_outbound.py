"""What the use cases may expect of fetching from other hosts, and where it must not lead."""

from __future__ import annotations

import gzip
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from alveary.adapters.peers.late import LateOutbound
from alveary.adapters.peers.outbound import HttpOutbound
from alveary.adapters.peers.reach import Reach
from alveary.config import Outbound
from alveary.ports.outbound import OutboundFailed, OutboundRefused
from tests.peers import Answer, host

LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
MAX_BYTES = 10_000
PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254"),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001::1", "2001:db8::1"),
    *("2002:7f00:1::1", "fec0::1", "100::1", "no-address", "127.1", "2130706433"),
]
PUBLIC = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1", "2a00:1450::1"]


@asynccontextmanager
async def way_out(*names: str, resolver: Callable[[], AbstractResolver] | None = None, **options: object):
    """The adapter, allowed to reach 127.0.0.1 and *names* unless *options* say otherwise."""
    policy = Outbound(**{"allow": (*LOOPBACK, *names), **options})  # type: ignore[arg-type]
    outbound = LateOutbound(policy) if resolver is None else HttpOutbound(policy, resolver)
    try:
        yield outbound
    finally:
        await outbound.close()


@pytest.fixture
async def outbound() -> AsyncIterator[LateOutbound]:
    async with way_out() as outbound:
        yield outbound


async def fetch(outbound: LateOutbound, url: str):
    return await outbound.get(url, accept="text/html", max_bytes=MAX_BYTES)


class Told(AbstractResolver):
    """Answers each question about a name with the next of the addresses it was told."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = self.answers.pop(0)
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
            for each in addresses
        ]

    async def close(self) -> None:
        pass


class TestFetching:
    async def test_the_answer_is_told_whatever_its_status(self, outbound: LateOutbound) -> None:
        page = Answer("ü".encode("latin-1"), "404 Not Found", {"Content-Type": "Text/HTML; charset=latin-1"})
        async with host({"/a%2Fb?c=%26": page}) as there:
            url = f"http://127.0.0.1:{there.port}/a%2Fb?c=%26"
            found = await fetch(outbound, url)
        assert (found.url, found.status, found.media_type, found.charset) == (url, 404, "text/html", "latin-1")
        assert found.body.decode("latin-1") == "ü"
        assert found.headers["content-type"] == "Text/HTML; charset=latin-1"

    async def test_it_says_who_asks_and_nothing_of_anyone_else(
        self, outbound: LateOutbound, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        answer = Answer(headers={"Set-Cookie": "a=b"})
        async with host({"/": answer}) as there:
            await fetch(outbound, f"http://127.0.0.1:{there.port}/")
            await fetch(outbound, f"http://127.0.0.1:{there.port}/")
        names = {line.partition(":")[0].lower() for line in there.requests[1].splitlines()[1:] if line}
        assert names == {"host", "user-agent", "accept", "accept-encoding"}
        assert "User-Agent: Alveary/" in there.requests[1]

    async def test_redirects_are_followed_as_far_as_is_allowed(self) -> None:
        answers = {
            "/": Answer(status="302 Found", headers={"Location": "/one"}),
            "/one": Answer(status="307 Temporary Redirect", headers={"Location": "two"}),
            "/two": Answer(b"here"),
        }
        async with host(answers) as there:
            async with way_out(redirects=2) as outbound:
                found = await fetch(outbound, f"http://127.0.0.1:{there.port}/")
            assert (found.body, found.url) == (b"here", f"http://127.0.0.1:{there.port}/two")
            async with way_out(redirects=1) as outbound:
                with pytest.raises(OutboundFailed, match="too often"):
                    await fetch(outbound, f"http://127.0.0.1:{there.port}/")

    async def test_nobody_there_is_a_failure(self, outbound: LateOutbound) -> None:
        async with host({}) as there:
            port = there.port
        with pytest.raises(OutboundFailed, match="connected"):
            await fetch(outbound, f"http://127.0.0.1:{port}/")
        with pytest.raises(OutboundFailed):
            await fetch(outbound, "http://nobody.invalid/")

    @pytest.mark.parametrize(
        "answer", [Answer(headers={"Content-Length": "9"}), Answer(headers={"Bad header": "1"}), Answer(status="x")]
    )
    async def test_what_is_cut_or_no_http_is_a_failure(self, outbound: LateOutbound, answer: Answer) -> None:
        async with host({"/": answer}) as there:
            with pytest.raises(OutboundFailed, match="no HTTP"):
                await fetch(outbound, f"http://127.0.0.1:{there.port}/")


class TestLimits:
    async def test_a_slow_host_is_given_up(self) -> None:
        async with host({"/": Answer(delay_s=5)}) as there, way_out(timeout_s=0.1) as outbound:
            with pytest.raises(OutboundFailed, match="in time"):
                await fetch(outbound, f"http://127.0.0.1:{there.port}/")

    async def test_redirects_share_the_time(self) -> None:
        answers = {"/": Answer(status="302 Found", headers={"Location": "/"}, delay_s=0.1)}
        async with host(answers) as there, way_out(timeout_s=0.25, redirects=10) as outbound:
            with pytest.raises(OutboundFailed, match="in time"):
                await fetch(outbound, f"http://127.0.0.1:{there.port}/")

    async def test_a_body_is_cut_at_the_lesser_of_both_bounds(self) -> None:
        async with host({"/": Answer(bytes(MAX_BYTES)), "/more": Answer(bytes(MAX_BYTES + 1))}) as there:
            url = f"http://127.0.0.1:{there.port}/"
            async with way_out() as outbound:
                assert len((await fetch(outbound, url)).body) == MAX_BYTES
                with pytest.raises(OutboundFailed, match="more than 10000 bytes"):
                    await fetch(outbound, f"{url}more")
            async with way_out(max_bytes=1_024) as outbound:
                with pytest.raises(OutboundFailed, match="more than 1024 bytes"):
                    await fetch(outbound, url)

    async def test_a_compressed_body_is_never_unpacked(self, outbound: LateOutbound) -> None:
        bomb = Answer(gzip.compress(bytes(5_000_000)), headers={"Content-Encoding": "gzip"})
        async with host({"/": bomb}) as there:
            with pytest.raises(OutboundFailed, match="compressed"):
                await fetch(outbound, f"http://127.0.0.1:{there.port}/")


class TestReach:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_what_is_not_public_is_refused(self, address: str) -> None:
        assert not Reach().admits("a.example", address)

    @pytest.mark.parametrize("address", PUBLIC)
    def test_what_is_public_is_not(self, address: str) -> None:
        assert Reach().admits("a.example", address)

    def test_what_is_allowed_is_by_network_or_by_name(self) -> None:
        reach = Reach.of((ipaddress.ip_network("10.1.0.0/16"), "Intern.example"))
        assert reach.admits("a.example", "10.1.2.3")
        assert not reach.admits("a.example", "10.2.2.3")
        assert not reach.admits("a.example", "::ffff:10.1.2.3")
        assert reach.admits("intern.EXAMPLE.", "10.2.2.3")
        assert not reach.admits("a.intern.example", "10.2.2.3")


class TestPolicy:
    @pytest.mark.parametrize(
        "place", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001", "0"]
    )
    async def test_this_machine_is_refused_by_default(self, place: str) -> None:
        async with host({"/": Answer()}, "localhost") as there, way_out(allow=()) as outbound:
            with pytest.raises((OutboundRefused, OutboundFailed)):
                await fetch(outbound, f"http://{place}:{there.port}/")
        assert there.requests == []

    async def test_a_name_may_be_allowed(self) -> None:
        async with host({"/": Answer()}) as there, way_out(allow=("localhost",)) as outbound:
            assert (await fetch(outbound, f"http://localhost:{there.port}/")).status == 200
            with pytest.raises(OutboundRefused):
                await fetch(outbound, f"http://127.0.0.1:{there.port}/")

    @pytest.mark.parametrize(
        "url",
        ["ftp://127.0.0.1/", "file:///etc/passwd", "//127.0.0.1/", "127.0.0.1", "", "http://", "http://[/", "http:///a",
         "http://a:b@127.0.0.1/", "http://a@127.0.0.1/", "http://127.0.0.1:x/", "data:text/html,a"],
    )  # fmt: skip
    async def test_what_is_no_plain_http_url_is_refused(self, outbound: LateOutbound, url: str) -> None:
        with pytest.raises(OutboundRefused):
            await fetch(outbound, url)

    @pytest.mark.parametrize("place", ["http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "file:///etc/passwd"])
    async def test_a_redirect_is_judged_like_any_other_url(self, outbound: LateOutbound, place: str) -> None:
        async with host({"/": Answer()}, "127.0.0.2") as private:
            away = Answer(status="302 Found", headers={"Location": place.format(port=private.port)})
            async with host({"/": away}) as there:
                with pytest.raises(OutboundRefused):
                    await fetch(outbound, f"http://127.0.0.1:{there.port}/")
        assert private.requests == []

    async def test_the_address_that_was_judged_is_the_one_connected_to(self) -> None:
        """A name that changes its mind between look and leap: there is one look."""
        names = Told(("127.0.0.1",), ("127.0.0.2",))
        async with (
            host({"/": Answer(b"judged")}) as there,
            host({"/": Answer(b"rebound")}, "127.0.0.2", there.port) as private,
            way_out(resolver=lambda: names) as outbound,
        ):
            url = f"http://a.example:{there.port}/"
            assert (await fetch(outbound, url)).body == b"judged"
            with pytest.raises(OutboundRefused):
                await fetch(outbound, url)
        assert private.requests == []
        assert names.answers == []

    async def test_of_several_addresses_only_the_good_ones_are_tried(self) -> None:
        async with (
            host({"/": Answer(b"good")}) as there,
            host({"/": Answer(b"bad")}, "127.0.0.2", there.port) as private,
            way_out(resolver=lambda: Told(("127.0.0.2", "127.0.0.1"))) as outbound,
        ):
            assert (await fetch(outbound, f"http://a.example:{there.port}/")).body == b"good"
        assert private.requests == []
