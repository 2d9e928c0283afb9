"""Service collections for tests, made over HTTP as any client would make them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.running import Site

_MKCOL = (
    '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>'
    "<D:collection/><p:service/></D:resourcetype></D:prop></D:set></D:mkcol>"
)


def make_service(cell: Site, scripts: Mapping[str, str], *, path: str = "__/svc") -> None:
    """A service collection at *path*; each of *scripts* is a source by the name of its route."""
    assert cell.call("MKCOL", path, content=_MKCOL).status_code == 201
    for name, source in scripts.items():
        put_source(cell, name, source, path=path)
    assert set_routes(cell, {name: f"{name}.js" for name in scripts}, path=path) == 207


def put_source(cell: Site, name: str, source: str, *, path: str = "__/svc") -> None:
    """Store *source* as the script of that name."""
    assert cell.call("PUT", f"{path}/__src/{name}.js", content=source).status_code in {201, 204}


def set_routes(cell: Site, routes: Mapping[str, str], *, path: str = "__/svc") -> int:
    """Lead each route to a source; the status that this was answered with."""
    paths = "".join(f'<p:path name="{name}" src="{source}"/>' for name, source in routes.items())
    body = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
        f'<p:service language="JavaScript">{paths}</p:service></D:prop></D:set></D:propertyupdate>'
    )
    return cell.call("PROPPATCH", path, content=body).status_code


def returning(expression: str) -> str:
    """A script that answers the JSON of *expression*."""
    return f"function (request) {{ return {{status: 200, headers: {{}}, body: [JSON.stringify({expression})]}}; }}"


def doing(statements: str) -> str:
    """A script that answers ``done`` after *statements*."""
    return f"function (request) {{ {statements}; return {{status: 200, headers: {{}}, body: ['done']}}; }}"
