"""Two units, each a process of its own, whose cells let each other's people in."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from tests.e2e.conftest import Unit
from tests.running import Site


def doctors_of(home: Site, host: Site) -> str:
    """Let the doctors of *home* read ``__/file`` of *host*; the path that ends it."""
    doctor = f"{home.url}__role/__/doctor"
    ext_cell = f"__ctl/ExtCell('{quote(home.url, safe='')}')"
    ext_role = f"ExtRole(ExtRole='{quote(doctor, safe='')}',_Relation.Name='clinic',_Relation._Box.Name=null)"
    host.call("POST", "__ctl/Role", json={"Name": "guest"})
    host.call("PUT", "__/file", content=b"hello")
    host.acl("__/file", {"guest": "read"})
    host.call("POST", "__ctl/ExtCell", json={"Url": home.url})
    host.call("POST", "__ctl/Relation", json={"Name": "clinic"})
    host.call("POST", "__ctl/ExtRole", json={"ExtRole": doctor, "_Relation.Name": "clinic"})
    for source, navigation, target in (
        (f"__ctl/{ext_role}", "_Role", "Role('guest')"),
        (ext_cell, "_Relation", "Relation('clinic')"),
    ):
        made = host.call("POST", f"{source}/$links/{navigation}", json={"uri": f"{host.url}__ctl/{target}"})
        assert made.status_code == 204, made.text
    return f"{ext_cell}/$links/_Relation('clinic')"


def test_a_role_that_another_units_cell_vouches_for_opens_a_file_until_it_is_unlinked(
    start_unit: Callable[..., Unit],
) -> None:
    far = start_unit("far")
    near = start_unit("near", **{"unit.trusted_roots": far.data / "secrets" / "unit.crt"})
    home, host = far.cell("home"), near.cell("host")
    home.account("alice", roles=("doctor",))
    home.account("bob", roles=("clerk",))
    unlink = doctors_of(home, host)

    def seen(name: str) -> int:
        assertion = home.token(name, p_target=host.url)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", "assertion": assertion}
        visitor = host.call("POST", "__token", token=None, data=form).json()["access_token"]
        direct, exchanged = (host.call("GET", "__/file", token=each).status_code for each in (assertion, visitor))
        assert direct == exchanged
        return direct

    assert (seen("alice"), seen("bob")) == (200, 403)
    near.restart()
    far.restart()
    assert seen("alice") == 200
    assert host.call("DELETE", unlink).status_code == 204
    assert seen("alice") == 403
