"""What the tests of the script engine share: a host over a dictionary of files, and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from alveary.errors import NO_SUCH_RESOURCE, Refusal
from alveary.model.entities import JsonValue
from alveary.model.script import HostCall, ScriptAnswer, ScriptJob, ScriptRequest, Stream, Tenant
from alveary.ports.engine import BadCall


@dataclass
class FilesHost:
    """A host that keeps files in memory and remembers every call."""

    files: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    calls: list[HostCall] = field(default_factory=list)

    async def call(self, call: HostCall) -> JsonValue:
        self.calls.append(call)
        path, name = str(call.args.get("path")), str(call.args.get("name"))
        if call.op == "dav.get" and path in self.files:
            return self.files[path]
        if call.op == "dav.stream":
            return 1
        if call.op == "dav.put":
            self.files[path] = call.data if isinstance(call.data, str) else repr(call.data)
            return None
        if call.op == "dav.list":
            return {"files": sorted(self.files), "collections": []}
        if call.op == "module" and name in self.modules:
            text = self.modules[name]
            return {"key": text, "text": None if call.args["have"] == text else text}
        if call.op in {"dav.get", "module"}:
            raise Refusal(NO_SUCH_RESOURCE, url=path)
        if call.op in {"log", "dav.delete", "dav.mkcol"}:
            return None
        if call.op.startswith("input."):
            return f"{call.op} {call.args['encoding']}"
        raise BadCall(f"There is no operation [{call.op}].")


def job(source: str, *, cell: str = "cell", box: str = "box", headers: dict[str, str] | None = None) -> ScriptJob:
    """A GET of ``/cell/box/svc/path?a=1`` that runs *source*."""
    url = "https://unit.example/cell/box/svc/path"
    request = ScriptRequest(
        method="GET",
        scheme="https",
        host="unit.example",
        port="443",
        script_name=url,
        path_info="/cell/box/svc/path",
        query_string="a=1",
        request_uri=f"{url}?a=1",
        headers=headers or {"accept": "*/*"},
    )
    return ScriptJob(
        tenant=Tenant(cell, box),
        source=source,
        request=request,
        cell_name="cell",
        cell_url="https://unit.example/cell/",
        box_name="box",
        box_schema="https://app.example/",
        server_version="1.8.4",
    )


def returning(expression: str) -> str:
    """A script that answers with the JSON text of *expression*."""
    return f"function (request) {{ return {{status: 200, body: [JSON.stringify({expression})]}}; }}"


def text_of(answer: ScriptAnswer) -> str:
    """The body of an answer without streams."""
    assert not any(isinstance(each, Stream) for each in answer.body)
    return b"".join(each for each in answer.body if isinstance(each, bytes)).decode()
