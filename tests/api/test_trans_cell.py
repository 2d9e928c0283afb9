"""Cells that vouch for their subjects to other cells, on this unit and on another one; apps and the unit's users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from alveary.adapters.keys.files import FOLDER, FileKeys
from alveary.adapters.machine import SystemClock
from alveary.wire.saml import Assertion, Fault, parse, render
from alveary.wire.tokens import LocalToken, Owner
from tests.running import MASTER, RunningUnit, Site, running
from tests.tokens import retold

BEARER = "urn:ietf:params:oauth:grant-type:saml2-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"


@dataclass(slots=True)
class World:
    """Two units that trust each other: *near* is asked, *far* sends visitors."""

    near: RunningUnit
    far: RunningUnit


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    near, far = tmp_path_factory.mktemp("near") / "d", tmp_path_factory.mktemp("far") / "d"
    for data in (near, far):
        with running(data):
            pass  # the first start makes the certificate that the other unit trusts
    with (
        running(far, **{"unit.trusted_roots": str(near / "secrets" / "unit.crt")}) as second,
        running(near, **{"unit.trusted_roots": str(far / "secrets" / "unit.crt")}) as first,
    ):
        yield World(first, second)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    code = body.get("code") or body["error_description"].split("]")[0].lstrip("[")
    return answer.status_code, code


def said(token: str) -> Assertion:
    signed = parse(token)
    assert not isinstance(signed, Fault)
    return signed.assertion


def visiting(home: Site, name: str, target: Site) -> str:
    """A token by which *home* vouches for its account at *target*."""
    return home.token(name, p_target=target.url)


def assertion_grant(cell: Site, assertion: str, **form: str) -> httpx.Response:
    fields = {"grant_type": BEARER, "assertion": assertion, **form}
    return cell.call("POST", "__token", token=None, data=fields)


def made_up(unit: RunningUnit, token: str, **claims: str) -> str:
    """What *token* says with other *claims*, under the signature of *unit*, which has gone bad."""
    key = load_pem_private_key((unit.data / "secrets" / "unit.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((unit.data / "secrets" / "unit.crt").read_bytes())
    return render(
        retold(said(token), **claims),
        lambda data: key.sign(data, PKCS1v15(), SHA256()),
        certificate.public_bytes(Encoding.DER),
        certificate.subject.rfc4514_string(),
    )


def link(cell: Site, source: str, navigation: str, target: str) -> str:
    """Link two control objects; the path that unlinks them."""
    made = cell.call("POST", f"__ctl/{source}/$links/{navigation}", json={"uri": f"{cell.url}__ctl/{target}"})
    assert made.status_code == 204, made.text
    key = target[target.index("(") :]
    return f"__ctl/{source}/$links/{navigation}{key}"


def guarded(cell: Site) -> None:
    """A file that the role ``guest`` may read."""
    assert cell.call("POST", "__ctl/Role", json={"Name": "guest"}).status_code == 201
    assert cell.call("PUT", "__/file", content=b"hello").status_code == 201
    assert cell.acl("__/file", {"guest": "read"}).status_code == 200


def encoded(url: str) -> str:
    return url.replace(":", "%3A").replace("/", "%2F")


class TestTokensForOtherCells:
    def test_a_token_for_another_cell_names_subject_roles_and_whom_it_is_for(self, world: World) -> None:
        home, target = world.near.cell(), world.far.cell()
        home.account("alice", roles=("doctor",))
        home.call("POST", "__ctl/Box", json={"Name": "b", "Schema": "https://app.example/"})
        home.call("POST", "__ctl/Role", json={"Name": "nurse", "_Box.Name": "b"})
        link(home, "Account('alice')", "_Role", "Role(Name='nurse',_Box.Name='b')")
        answer = home.grant("alice", p_target=target.url.rstrip("/"), expires_in="60")
        body = answer.json()
        assert (body["p_target"], answer.headers["location"]) == (target.url, f"{target.url}__token")
        assertion = said(body["access_token"])
        assert (assertion.issuer, assertion.subject) == (home.url, f"{home.url}#alice")
        assert (assertion.audience, assertion.recipient) == (target.url, f"{target.url}__token")
        assert assertion.roles == (f"{home.url}__role/__/doctor", "https://app.example/__role/__/nurse")
        assert (assertion.scopes, assertion.schema) == (("root",), None)
        assert assertion.expires_ms - assertion.issued_ms == 60_000
        assert body["refresh_token"].startswith("RR~")

    @pytest.mark.parametrize("target", ["nonsense", "ftp://x/", "https://", "https://x/\n", "javascript:alert(1)"])
    def test_a_target_that_is_no_url_is_refused(self, cell: Site, target: str) -> None:
        cell.account("alice")
        assert code_of(cell.grant("alice", p_target=target)) == (400, "PR400-AN-0002")

    def test_a_target_may_be_in_the_units_own_form(self, unit: RunningUnit, cell: Site) -> None:
        other = unit.cell()
        cell.account("alice")
        for form in (f"personium-localunit:{other.name}:/", f"personium-localunit:/{other.name}/"):
            assert said(cell.token("alice", p_target=form)).audience == other.url

    def test_a_refresh_gives_one_too_with_the_roles_of_now(self, unit: RunningUnit, cell: Site) -> None:
        other = unit.cell()
        cell.account("alice")
        refresh = cell.grant("alice").json()["refresh_token"]
        cell.call("POST", "__ctl/Role", json={"Name": "new"})
        link(cell, "Account('alice')", "_Role", "Role('new')")
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "p_target": other.url, "p_cookie": "true"}
        body = cell.call("POST", "__token", token=None, data=form).json()
        assert said(body["access_token"]).roles == (f"{cell.url}__role/__/new",)
        assert "p_cookie_peer" not in body


class TestVisitors:
    def test_a_role_by_the_external_cell_opens_and_closes_at_once(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice")
        guarded(host)
        host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        token = assertion_grant(host, visiting(home, "alice", host)).json()
        assert token["access_token"].startswith("AV~") and token["refresh_token"].startswith("RV~")
        direct = visiting(home, "alice", host)

        def statuses() -> set[int]:
            return {host.call("GET", "__/file", token=each).status_code for each in (token["access_token"], direct)}

        assert statuses() == {403}
        unlink = link(host, f"ExtCell('{encoded(home.url)}')", "_Role", "Role('guest')")
        assert statuses() == {200}
        assert host.call("DELETE", unlink).status_code == 204
        assert statuses() == {403}

    def test_a_role_by_relation_and_external_role_opens_and_closes_at_once(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice", roles=("doctor",))
        home.account("bob", roles=("clerk",))
        guarded(host)
        doctor = f"{home.url}__role/__/doctor"
        host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        host.call("POST", "__ctl/Relation", json={"Name": "clinic"})
        made = host.call("POST", "__ctl/ExtRole", json={"ExtRole": doctor, "_Relation.Name": "clinic"})
        assert made.status_code == 201, made.text
        ext_role = f"ExtRole(ExtRole='{encoded(doctor)}',_Relation.Name='clinic',_Relation._Box.Name=null)"
        link(host, ext_role, "_Role", "Role('guest')")
        unrelate = link(host, f"ExtCell('{encoded(home.url)}')", "_Relation", "Relation('clinic')")
        alice = assertion_grant(host, visiting(home, "alice", host)).json()["access_token"]
        bob = assertion_grant(host, visiting(home, "bob", host)).json()["access_token"]
        assert host.call("GET", "__/file", token=alice).status_code == 200
        assert host.call("GET", "__/file", token=bob).status_code == 403
        assert host.call("DELETE", unrelate).status_code == 204
        assert host.call("GET", "__/file", token=alice).status_code == 403
        link(host, f"ExtCell('{encoded(home.url)}')", "_Relation", "Relation('clinic')")
        assert host.call("GET", "__/file", token=alice).status_code == 200
        assert host.call("DELETE", f"__ctl/{ext_role}").status_code == 204
        assert host.call("GET", "__/file", token=alice).status_code == 403

    def test_a_role_of_the_relation_itself_is_had_by_all_of_the_cell(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice")
        guarded(host)
        host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        host.call("POST", "__ctl/Relation", json={"Name": "friend"})
        link(host, "Relation('friend')", "_Role", "Role('guest')")
        token = visiting(home, "alice", host)
        assert host.call("GET", "__/file", token=token).status_code == 403
        link(host, f"ExtCell('{encoded(home.url)}')", "_Relation", "Relation('friend')")
        assert host.call("GET", "__/file", token=token).status_code == 200
        assert host.call("DELETE", f"__ctl/ExtCell('{encoded(home.url)}')").status_code == 204
        assert host.call("GET", "__/file", token=token).status_code == 403

    def test_a_visitor_goes_on_to_a_third_cell_by_the_second_ones_word(self, world: World) -> None:
        home, second, third = world.far.cell(), world.near.cell(), world.near.cell()
        home.account("alice")
        second.call("POST", "__ctl/Role", json={"Name": "guest"})
        second.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        link(second, f"ExtCell('{encoded(home.url)}')", "_Role", "Role('guest')")
        answer = assertion_grant(second, visiting(home, "alice", second), p_target=third.url)
        hop = answer.json()["access_token"]
        assertion = said(hop)
        assert (assertion.issuer, assertion.subject) == (second.url, f"{home.url}#alice")
        assert assertion.roles == (f"{second.url}__role/__/guest",)
        guarded(third)
        third.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        link(third, f"ExtCell('{encoded(home.url)}')", "_Role", "Role('guest')")
        assert third.call("GET", "__/file", token=hop).status_code == 403  # its own cell does not vouch for it here
        third.call("POST", "__ctl/ExtCell", json={"Url": second.url})
        third.call("POST", "__ctl/Relation", json={"Name": "partner"})
        link(third, f"ExtCell('{encoded(second.url)}')", "_Relation", "Relation('partner')")
        link(third, "Relation('partner')", "_Role", "Role('guest')")
        assert third.call("GET", "__/file", token=hop).status_code == 200

    def test_a_cell_does_not_vouch_for_what_another_made_up_of_its_own_accounts(self, world: World) -> None:
        home, host, third = world.far.cell(), world.near.cell(), world.near.cell()
        home.account("alice")
        host.account("me")
        guarded(third)
        third.call("POST", "__ctl/ExtCell", json={"Url": host.url})
        link(third, f"ExtCell('{encoded(host.url)}')", "_Role", "Role('guest')")
        assert third.call("GET", "__/file", token=host.token("me", p_target=third.url)).status_code == 200
        forged = made_up(world.far, visiting(home, "alice", host), subject=f"{host.url}#me")
        assert code_of(assertion_grant(host, forged, p_target=third.url)) == (400, "PR400-AN-0012")
        refresh = assertion_grant(host, forged).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "p_target": third.url}
        assert code_of(host.call("POST", "__token", token=None, data=form)) == (400, "PR400-AN-0012")

    def test_a_token_that_is_bound_to_roles_of_its_cell_does_not_grow_by_an_exchange(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice", roles=("doctor",))
        guarded(host)
        assert host.acl("", {"guest": "p:root"}).status_code == 200
        host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        link(host, f"ExtCell('{encoded(home.url)}')", "_Role", "Role('guest')")
        bound = home.token("alice", p_target=host.url, scope=f"{home.url}__role/__/doctor")
        free = home.token("alice", p_target=host.url)
        for assertion, statuses in ((bound, (403, 403)), (free, (200, 200))):
            exchanged = assertion_grant(host, assertion).json()["access_token"]
            found = [host.call("GET", "__ctl/Account", token=each).status_code for each in (assertion, exchanged)]
            assert tuple(found) == statuses

    def test_a_visitors_refresh_token_gives_what_the_links_say_now(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice")
        guarded(host)
        first = assertion_grant(host, visiting(home, "alice", host), expires_in="10").json()
        assert first["expires_in"] == 10
        host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
        link(host, f"ExtCell('{encoded(home.url)}')", "_Role", "Role('guest')")
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        again = host.call("POST", "__token", token=None, data=form).json()
        assert host.call("GET", "__/file", token=again["access_token"]).status_code == 200
        told = host.call("POST", "__introspect", data={"token": again["refresh_token"]}).json()
        assert (told["active"], told["sub"]) == (True, f"{home.url}#alice")
        assert told["p_roles"] == [f"{host.url}__role/__/guest"]
        assert host.call("POST", "__logout", token=again["access_token"]).status_code == 204
        assert code_of(host.call("GET", "__/file", token=first["access_token"])) == (401, "PR401-AU-0002")

    def test_a_visitor_has_no_account_here_and_is_none_of_the_units_users(self, world: World) -> None:
        home, host = world.far.cell(), world.near.cell()
        home.account("alice")
        token = assertion_grant(host, visiting(home, "alice", host)).json()["access_token"]
        changed = host.call("PUT", "__mypassword", token=token, headers={"X-Personium-Credential": "password-2"})
        assert code_of(changed) == (403, "PR403-AU-0002")
        for each in (token, visiting(home, "alice", host)):
            listed = host.http.get(f"{world.near.url}__ctl/Cell", headers={"Authorization": f"Bearer {each}"})
            assert code_of(listed) == (403, "PR403-AU-0001")

    def test_a_token_is_no_token_but_where_it_is_meant_for(self, world: World) -> None:
        home, host, other = world.far.cell(), world.near.cell(), world.near.cell()
        home.account("alice")
        token = visiting(home, "alice", host)
        assert code_of(other.call("GET", "__/", token=token)) == (401, "PR401-AU-0006")
        assert code_of(assertion_grant(other, token)) == (400, "PR400-AN-0012")
        assert code_of(assertion_grant(host, token[:-9] + "AAAAAAAAA")) == (400, "PR400-AN-0009")
        assert code_of(assertion_grant(host, "")) == (400, "PR400-AN-0009")
        assert code_of(assertion_grant(host, token, p_owner="true")) == (400, "PR400-AN-0008")

    def test_a_unit_that_is_not_trusted_vouches_for_nobody(self, unit: RunningUnit, world: World) -> None:
        home, host = unit.cell(), world.near.cell()
        home.account("alice")
        token = visiting(home, "alice", host)
        assert code_of(host.call("GET", "__/", token=token)) == (401, "PR401-AU-0008")
        assert code_of(assertion_grant(host, token)) == (400, "PR400-AN-0011")


class TestApps:
    @pytest.fixture
    def app(self, unit: RunningUnit) -> Site:
        """The cell of an app with an account of its own."""
        app = unit.cell()
        app.account("me")
        app.account("trusted", roles=("confidentialClient",))
        return app

    def box(self, cell: Site, app: Site, level: str) -> None:
        assert cell.call("POST", "__ctl/Box", json={"Name": "b", "Schema": app.url}).status_code == 201
        assert cell.call("PUT", "b/file", content=b"x").status_code == 201
        cell.account("alice", roles=("user",))
        assert cell.acl("b", {"user": "read"}, authz=level).status_code == 200

    def ways(self, app: Site, cell: Site, name: str) -> list[dict[str, object]]:
        """The ways in which an app may prove itself, as options of a request."""
        proof = app.token(name, p_target=cell.url)
        assertion = {"client_assertion_type": CLIENT_ASSERTION, "client_assertion": proof}
        older = assertion | {"client_assertion_type": BEARER, "client_id": app.url}
        return [
            {"form": {"client_id": app.url, "client_secret": proof}},
            {"form": assertion},
            {"form": older},
            {"auth": (app.url.replace(":", "%3A"), proof), "form": {}},
            {"auth": (app.url, proof), "form": {"client_id": "https://ignored.example/"}},
        ]

    def granted(self, cell: Site, way: dict[str, object], **form: str) -> httpx.Response:
        options = {name: value for name, value in way.items() if name != "form"}
        fields = {"grant_type": "password", "username": "alice", "password": "password-1", **way["form"], **form}  # type: ignore[dict-item]
        return cell.call("POST", "__token", token=None, data=fields, **options)

    def test_each_way_to_prove_an_app_opens_its_box(self, cell: Site, app: Site) -> None:
        self.box(cell, app, "public")
        for way in self.ways(app, cell, "me"):
            answer = self.granted(cell, way)
            assert answer.status_code == 200, (way, answer.text)
            token = answer.json()["access_token"]
            assert cell.call("GET", "b/file", token=token).status_code == 200
            told = cell.call("POST", "__introspect", data={"token": token}).json()
            assert told["client_id"] == app.url
            url = cell.call("GET", "__box", token=token)
            assert url.json() == {"Url": f"{cell.url}b/"}

    def test_a_confidential_box_asks_for_the_role_by_which_an_app_keeps_secrets(self, cell: Site, app: Site) -> None:
        self.box(cell, app, "confidential")
        public, trusted = self.ways(app, cell, "me")[0], self.ways(app, cell, "trusted")[0]
        token = self.granted(cell, public).json()["access_token"]
        assert code_of(cell.call("GET", "b/file", token=token)) == (403, "PR403-AU-0006")
        token = self.granted(cell, trusted).json()["access_token"]
        assert cell.call("GET", "b/file", token=token).status_code == 200

    def test_a_proof_of_another_app_or_for_another_cell_or_of_nothing_is_refused(
        self, unit: RunningUnit, cell: Site, app: Site
    ) -> None:
        self.box(cell, app, "public")
        elsewhere, proof = app.token("me", p_target=unit.cell().url), app.token("me", p_target=cell.url)
        for form, expected in (
            ({"client_id": "https://other.example/", "client_secret": proof}, "PR400-AN-0006"),
            ({"client_id": app.url, "client_secret": elsewhere}, "PR400-AN-0007"),
            ({"client_id": app.url, "client_secret": "x"}, "PR400-AN-0003"),
            ({"client_id": app.url}, "PR400-AN-0003"),
            ({"client_assertion_type": "magic", "client_assertion": proof}, "PR400-AN-0022"),
            ({"client_assertion": proof}, "PR400-AN-0022"),
        ):
            answer = self.granted(cell, {"form": form})
            assert (answer.json()["error"], code_of(answer)) == ("invalid_client", (400, expected))
        answer = self.granted(cell, {"form": {}, "headers": {"Authorization": "Basic %%%"}})
        assert code_of(answer) == (400, "PR400-AN-0018")

    def test_what_an_apps_cell_says_of_its_visitors_proves_no_app(
        self, unit: RunningUnit, cell: Site, app: Site
    ) -> None:
        self.box(cell, app, "public")
        stranger = unit.cell()
        stranger.account("x")
        proof = assertion_grant(app, visiting(stranger, "x", app), p_target=cell.url).json()["access_token"]
        assert said(proof).issuer == app.url
        for form in (
            {"client_id": app.url, "client_secret": proof},
            {"client_assertion_type": CLIENT_ASSERTION, "client_assertion": proof},
        ):
            answer = self.granted(cell, {"form": form})
            assert (answer.json()["error"], code_of(answer)) == ("invalid_client", (400, "PR400-AN-0006"))

    def test_tokens_of_an_app_are_refreshed_told_and_revoked_by_that_app_alone(
        self, unit: RunningUnit, cell: Site, app: Site
    ) -> None:
        self.box(cell, app, "public")
        other = unit.cell()
        other.account("me")
        mine, theirs = self.ways(app, cell, "me")[0]["form"], self.ways(other, cell, "me")[0]["form"]
        given = self.granted(cell, {"form": mine}).json()
        refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}

        def asked(path: str, form: dict[str, str], app_form: object) -> httpx.Response:
            return cell.call("POST", path, token=None, data={**form, **app_form})  # type: ignore[dict-item]

        assert code_of(asked("__token", refresh, {})) == (401, "PR401-AN-0021")
        assert code_of(asked("__token", refresh, theirs)) == (401, "PR401-AN-0020")
        again = asked("__token", refresh, mine)
        assert again.status_code == 200
        token = {"token": again.json()["access_token"]}
        assert code_of(asked("__revoke", token, {})) == (401, "PR401-AN-0021")
        assert code_of(asked("__revoke", token, theirs)) == (401, "PR401-AN-0020")
        proof = (app.url, str(mine["client_secret"]))  # type: ignore[index]
        assert cell.call("POST", "__introspect", token=None, data=token, auth=proof).json()["active"] is True
        stranger = (other.url, str(theirs["client_secret"]))  # type: ignore[index]
        assert cell.call("POST", "__introspect", token=None, data=token, auth=stranger).json() == {"active": False}
        own = cell.call("POST", "__introspect", token=again.json()["access_token"], data=token).json()
        assert own["active"] is True
        assert asked("__revoke", token, mine).status_code == 200
        assert code_of(cell.call("GET", "b/file", token=token["token"])) == (401, "PR401-AU-0002")
        assert code_of(asked("__token", refresh, mine)) == (400, "PR400-AN-0009")

    def test_a_trans_cell_token_is_told_and_not_revoked(self, cell: Site, app: Site) -> None:
        token = app.token("me", p_target=cell.url)
        told = cell.call("POST", "__introspect", data={"token": token}).json()
        assert (told["active"], told["iss"], told["aud"], told["sub"]) == (True, app.url, cell.url, f"{app.url}#me")
        revoked = cell.call("POST", "__revoke", token=None, data={"token": token})
        assert revoked.json()["error"] == "unsupported_token_type"

    def test_an_app_behind_a_visitor_is_named_in_what_it_takes_along(self, unit: RunningUnit, cell: Site) -> None:
        app, third = unit.cell(), unit.cell()
        app.account("me")
        proof = app.token("me", p_target=cell.url)
        cell.account("alice")
        form = {"client_id": app.url, "client_secret": proof, "p_target": third.url}
        token = cell.token("alice", **form)
        assert said(token).schema == app.url
        third.call("POST", "__ctl/Box", json={"Name": "b", "Schema": app.url})
        third.call("PUT", "b/file", content=b"x")
        third.acl("b", {"all": "read"}, authz="public")
        assert third.call("GET", "b/file", token=token).status_code == 200
        plain = cell.token("alice", p_target=third.url)
        assert code_of(third.call("GET", "b/file", token=plain)) == (403, "PR403-AU-0005")


@pytest.fixture(scope="module")
def admins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningUnit, Site]]:
    """A unit, and the cell whose accounts are its users."""
    data = tmp_path_factory.mktemp("unit") / "d"
    with running(data, unit_user_issuers="personium-localunit:admins:/") as unit:
        cell = unit.cell("admins")
        for name, roles in {
            "plain": (),
            "reader": ("CellContentsReader",),
            "keeper": ("CellContentsReader", "CellContentsAdmin"),
            "chief": ("UnitAdmin",),
            "auditor": ("UnitAdmin", "CellContentsReader"),
            "root": ("UnitAdmin", "CellContentsAdmin"),
        }.items():
            cell.account(name, roles=roles)
        yield unit, cell


class TestUnitUsers:
    def as_user(self, admins: tuple[RunningUnit, Site], name: str) -> str:
        unit, cell = admins
        return cell.token(name, p_target=unit.url)

    def test_a_user_of_the_unit_owns_the_cells_it_makes(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, _ = admins
        plain, reader = self.as_user(admins, "plain"), self.as_user(admins, "reader")
        mine = unit.cell(token=plain)
        listed = unit.http.get(f"{unit.url}__ctl/Cell", headers={"Authorization": f"Bearer {plain}"}).json()
        names = {each["Name"] for each in listed["d"]["results"]}
        assert mine.name in names and "admins" not in names
        refused = unit.http.delete(
            f"{unit.url}__ctl/Cell('{mine.name}')", headers={"Authorization": f"Bearer {reader}"}
        )
        assert code_of(refused) == (403, "PR403-AU-0003")
        assert code_of(mine.call("GET", "__ctl/Box", token=plain)) == (403, "PR403-AU-0002")

    def test_roles_of_contents_open_the_cells_that_are_owned(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, _ = admins
        for name, reads, writes in (("plain", 403, 403), ("reader", 200, 403), ("keeper", 200, 201)):
            token = self.as_user(admins, name)
            mine, foreign = unit.cell(token=token), unit.cell()
            assert mine.call("GET", "__ctl/Box", token=token).status_code == reads
            assert mine.call("POST", "__ctl/Box", token=token, json={"Name": "b"}).status_code == writes
            assert foreign.call("GET", "__ctl/Box", token=token).status_code == 403

    def test_an_administrator_has_all_cells_and_contents_by_role(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, _ = admins
        for name, reads, writes in (("chief", 403, 403), ("auditor", 200, 403), ("root", 200, 201)):
            token, cell = self.as_user(admins, name), unit.cell()
            assert cell.call("GET", "__ctl/Box", token=token).status_code == reads
            assert cell.call("POST", "__ctl/Box", token=token, json={"Name": "b"}).status_code == writes
            assert cell.call("DELETE", "", token=token, headers={"X-Personium-Recursive": "true"}).status_code == 204

    def test_an_administrator_may_act_as_another_user_and_nobody_else(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, cell = admins
        someone = {"X-Personium-Unit-User": f"{cell.url}#plain"}
        made = unit.http.post(
            f"{unit.url}__ctl/Cell",
            json={"Name": "given"},
            headers={"Authorization": f"Bearer {self.as_user(admins, 'chief')}", **someone},
        )
        assert made.status_code == 201
        plain = {"Authorization": f"Bearer {self.as_user(admins, 'plain')}"}
        assert unit.http.get(f"{unit.url}__ctl/Cell('given')", headers=plain).status_code == 200
        reader = {"Authorization": f"Bearer {self.as_user(admins, 'reader')}", **someone}
        assert code_of(unit.http.get(f"{unit.url}__ctl/Cell('given')", headers=reader)) == (403, "PR403-AU-0003")

    def test_visitors_of_the_cell_whose_accounts_are_users_are_none(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, cell = admins
        stranger = unit.cell()
        stranger.account("x")
        token = assertion_grant(cell, visiting(stranger, "x", cell), p_target=unit.url).json()["access_token"]
        assert (said(token).issuer, said(token).subject) == (cell.url, f"{stranger.url}#x")
        listed = unit.http.get(f"{unit.url}__ctl/Cell", headers={"Authorization": f"Bearer {token}"})
        assert code_of(listed) == (403, "PR403-AU-0001")
        made = unit.http.post(
            f"{unit.url}__ctl/Cell", json={"Name": "mine"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert code_of(made) == (403, "PR403-AU-0001")

    def test_a_cell_that_is_not_named_makes_no_users(self, admins: tuple[RunningUnit, Site]) -> None:
        unit, _ = admins
        other = unit.cell()
        other.account("chief", roles=("UnitAdmin", "CellContentsAdmin"))
        token = other.token("chief", p_target=unit.url)
        listed = unit.http.get(f"{unit.url}__ctl/Cell", headers={"Authorization": f"Bearer {token}"})
        assert code_of(listed) == (403, "PR403-AU-0001")
        assert code_of(other.call("GET", "__ctl/Box", token=token)) == (401, "PR401-AU-0006")


@pytest.fixture(scope="module")
def represented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit where accounts may represent the owners of their cells."""
    with running(tmp_path_factory.mktemp("represented") / "d", **{"auth.owner_representatives": True}) as unit:
        yield unit


class TestOwnersRepresentatives:
    def name(self, cell: Site, name: str) -> None:
        body = (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
            f"<p:ownerRepresentativeAccounts><p:account>{name}</p:account></p:ownerRepresentativeAccounts>"
            "</D:prop></D:set></D:propertyupdate>"
        )
        assert cell.call("PROPPATCH", "", content=body).status_code == 207

    def named(self, cell: Site) -> None:
        self.name(cell, "alice")
        cell.account("alice")
        cell.account("bob")

    def owned(self, unit: RunningUnit, name: str) -> Site:
        """A cell of ``somebody``, whom its account ``alice`` represents."""
        headers = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": "somebody"}
        assert unit.http.post(f"{unit.url}__ctl/Cell", json={"Name": name}, headers=headers).status_code == 201
        cell = Site(unit.http, name, f"{unit.url}{name}/")
        self.named(cell)
        return cell

    def acting(self, cell: Site) -> str:
        """A token of the owner by a login of its own."""
        return str(cell.grant("alice", p_owner="true").json()["access_token"])

    def cells(self, unit: RunningUnit, token: str) -> httpx.Response:
        return unit.http.get(f"{unit.url}__ctl/Cell", headers={"Authorization": f"Bearer {token}"})

    def test_it_is_off_unless_the_operator_says_so(self, cell: Site) -> None:
        self.named(cell)
        assert code_of(cell.grant("alice", p_owner="true")) == (400, "PR400-AN-0014")

    def test_an_account_that_is_named_acts_as_the_owner_at_the_unit(self, tmp_path: Path) -> None:
        with running(tmp_path / "d", **{"auth.owner_representatives": True}) as unit:
            owned = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": "somebody"}
            unit.http.post(f"{unit.url}__ctl/Cell", json={"Name": "owned"}, headers=owned)
            cell, ownerless = Site(unit.http, "owned", f"{unit.url}owned/"), unit.cell()
            self.named(cell)
            self.named(ownerless)
            body = cell.grant("alice", p_owner="true").json()
            assert body["access_token"].startswith("AU~") and "refresh_token" not in body
            token = {"Authorization": f"Bearer {body['access_token']}"}
            listed = unit.http.get(f"{unit.url}__ctl/Cell", headers=token).json()
            assert [each["Name"] for each in listed["d"]["results"]] == ["owned"]
            assert code_of(cell.call("GET", "__ctl/Box", token=body["access_token"])) == (403, "PR403-AU-0002")
            assert code_of(cell.grant("bob", p_owner="true")) == (400, "PR400-AN-0014")
            assert code_of(ownerless.grant("alice", p_owner="true")) == (400, "PR400-AN-0015")

    def test_a_revoked_token_acts_as_nobody_and_another_logins_goes_on(self, represented: RunningUnit) -> None:
        cell = self.owned(represented, "revoking")
        token, other = self.acting(cell), self.acting(cell)
        assert self.cells(represented, token).status_code == 200
        assert cell.call("POST", "__revoke", token=None, data={"token": token}).status_code == 200
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")
        assert code_of(cell.call("GET", "__ctl/Box", token=token)) == (401, "PR401-AU-0002")
        assert self.cells(represented, other).status_code == 200

    def test_a_token_by_refresh_ends_with_the_login(self, represented: RunningUnit) -> None:
        cell = self.owned(represented, "refreshing")
        given = cell.grant("alice").json()
        form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "p_owner": "true"}
        token = cell.call("POST", "__token", token=None, data=form).json()["access_token"]
        assert self.cells(represented, token).status_code == 200
        assert cell.call("POST", "__logout", token=given["access_token"]).status_code == 204
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")

    @pytest.mark.parametrize(
        ("name", "method", "body", "password"),
        [
            ("deactivated", "MERGE", {"Status": "deactivated"}, {}),
            ("must-change", "MERGE", {"Status": "passwordChangeRequired"}, {}),
            ("reset", "MERGE", {}, {"X-Personium-Credential": "password-2"}),
            ("deleted", "DELETE", None, {}),
        ],
    )
    def test_a_token_ends_with_the_account_and_as_its_own_tokens_do(
        self,
        represented: RunningUnit,
        name: str,
        method: str,
        body: dict[str, str] | None,
        password: dict[str, str],
    ) -> None:
        cell = self.owned(represented, name)
        token = self.acting(cell)
        assert self.cells(represented, token).status_code == 200
        assert cell.call(method, "__ctl/Account('alice')", json=body, headers=password).status_code == 204
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")

    def test_a_token_ends_when_another_represents_the_owner_and_outlives_a_rename(
        self, represented: RunningUnit
    ) -> None:
        cell = self.owned(represented, "renaming")
        token = self.acting(cell)
        self.name(cell, "alicia")
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")
        assert cell.call("MERGE", "__ctl/Account('alice')", json={"Name": "alicia"}).status_code == 204
        assert self.cells(represented, token).status_code == 200

    def test_a_token_ends_with_its_cell(self, represented: RunningUnit) -> None:
        cell = self.owned(represented, "leaving")
        token = self.acting(cell)
        assert cell.call("DELETE", headers={"X-Personium-Recursive": "true"}).status_code == 204
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")
        self.owned(represented, "leaving")
        assert code_of(self.cells(represented, token)) == (401, "PR401-AU-0002")

    def test_a_token_that_names_no_account_gives_nothing(self, represented: RunningUnit) -> None:
        keys = FileKeys(represented.data / FOLDER, master_token="", now_ms=SystemClock().now_ms)
        token = LocalToken.parse(self.acting(self.owned(represented, "nameless")), keys.unseal)
        assert token is not None
        nameless = replace(token, holder=Owner("somebody")).render(keys.seal)
        assert code_of(self.cells(represented, nameless)) == (401, "PR401-AU-0002")
