"""The house rules as functions: a syntax tree in, the offences out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.sources import Function, functions

QUANTITIES = frozenset(
    {"age", "delay", "duration", "expiry", "interval", "length", "period", "size", "timeout", "ttl"}
)
"""Last words of names that measure something, and so must go on to say in what: ``size_bytes``, ``ttl_s``."""

FORBIDDEN_MODULES = frozenset({"base", "common", "core", "helper", "helpers", "manager", "util", "utils"})

IMPURE_CALLS = frozenset(
    {
        "open",
        "input",
        "date.today",
        "datetime.now",
        "datetime.today",
        "datetime.utcnow",
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
        "asyncio.open_connection",
        "asyncio.start_server",
    }
)
"""I/O and clocks that no import gives away."""


def unitless_names(tree: ast.AST) -> Iterator[str]:
    """Parameters and attributes that are numbers and measure something without saying in what."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=annotation):
                pass
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
                pass
            case _:
                continue
        if name.rpartition("_")[2] in QUANTITIES and annotation is not None and _is_number(annotation):
            yield f"line {node.lineno}: {name}"


def _is_number(annotation: ast.expr) -> bool:
    parts = ast.walk(annotation)
    words = {getattr(part, "id", None) or getattr(part, "value", None) for part in parts}
    return not words.isdisjoint({"int", "float"})


def refusals_named(docstring: str) -> set[str]:
    """The kinds that the ``Raises:`` section of a docstring names under ``Refusal:``."""
    section = re.search(r"^Raises:\n((?:[ \t]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if section is None:
        return set()
    entries = re.split(r"^    (?=\S)", section[1], flags=re.MULTILINE)
    told = " ".join(entry.removeprefix("Refusal:") for entry in entries if entry.startswith("Refusal:"))
    return set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|\b[A-Z]{4,}\b", told))


_LOOKING = frozenset({"judge", "require_at", "require_set", "require_any", "require_in", "require_box_of"})


def late_checks(tree: ast.Module) -> Iterator[str]:
    """Public functions of a use case module that take an ``Access`` and do something before they ask it.

    A plain function without ``Ports`` is no use case: it can neither await a transaction nor reach a store.
    """
    for node in tree.body:
        if not isinstance(node, Function) or node.name.startswith("_"):
            continue
        access = _parameter(node, "Access")
        reaches = isinstance(node, ast.AsyncFunctionDef) or _parameter(node, "Ports") is not None
        if (
            access is not None
            and reaches
            and not (_asks(_first_statement(node), access) or _asks_within(node, access))
        ):
            yield f"line {node.lineno}: {node.name}"


def _parameter(function: Function, type_name: str) -> str | None:
    arguments = function.args
    for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        annotation = ast.unparse(each.annotation) if each.annotation is not None else ""
        if annotation.strip("'\"").rpartition(".")[2] == type_name:
            return each.arg
    return None


def _first_statement(function: Function) -> ast.stmt | None:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[0] if body else None


def _asks_within(function: Function, access: str) -> bool:
    """Whether *function* only runs a transaction whose body asks before anything else, but for saying what for."""
    match function.body[1:] if ast.get_docstring(function) is not None else function.body:
        case [ast.AsyncFunctionDef(body=[*_, _] as body), ast.Return()]:
            first = body[1] if isinstance(body[0], ast.Assign) and not _awaits(body[0]) else body[0]
            return _asks(first, access)
        case _:
            return False


def _awaits(statement: ast.stmt) -> bool:
    return any(isinstance(each, ast.Await) for each in ast.walk(statement))


def _asks(statement: ast.stmt | None, access: str) -> bool:
    """Whether *statement* calls ``require`` or one of its kin, and awaits those that look what is there."""
    match statement:
        case ast.Expr(value=asked) | ast.Assign(value=asked) | ast.AnnAssign(value=asked) | ast.Return(value=asked):
            call = asked.value if isinstance(asked, ast.Await) else asked
        case _:
            return False
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if name == access:
            known = method in {"require", "judge"} or method.startswith("require_")
            return known and isinstance(asked, ast.Await) == (method in _LOOKING)
        case _:
            return False


def impure_calls(tree: ast.AST) -> Iterator[str]:
    """Calls that reach the machine although nothing imported says so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in IMPURE_CALLS:
            yield f"line {node.lineno}: {name}"


def lengths(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every function's length in lines, and its name."""
    for function in functions(tree):
        yield (function.end_lineno or function.lineno) - function.lineno + 1, function.name
