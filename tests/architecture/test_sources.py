"""The house rules, held against every module of the package."""

from __future__ import annotations

import ast

import pytest

from alveary.errors import catalogue
from tests.architecture import rules
from tests.architecture.sources import Module, modules

MODULES = list(modules())
PURE_ROOMS = {"errors", "model", "ports", "usecases", "wire"}

every_module = pytest.mark.parametrize("module", MODULES, ids=lambda each: str(each.path))


@every_module
def test_names_that_measure_say_in_what_unit(module: Module) -> None:
    assert list(rules.unitless_names(module.tree)) == []


@every_module
def test_no_module_has_a_name_that_says_nothing(module: Module) -> None:
    names = {part.removesuffix(".py") for part in module.path.relative_to("src/alveary").parts}
    assert names.isdisjoint(rules.FORBIDDEN_MODULES)


@every_module
def test_raises_sections_name_kinds_of_the_catalogue(module: Module) -> None:
    documented = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    named = {name for node in documented for name in rules.refusals_named(ast.get_docstring(node) or "")}
    assert named <= catalogue().keys()


@pytest.mark.parametrize(
    "module", [each for each in MODULES if each.room == "usecases"], ids=lambda each: str(each.path)
)
def test_a_use_case_asks_for_the_privilege_before_anything_else(module: Module) -> None:
    assert list(rules.late_checks(module.tree)) == []


@pytest.mark.parametrize(
    "module", [each for each in MODULES if each.room in PURE_ROOMS], ids=lambda each: str(each.path)
)
def test_rooms_without_io_reach_for_no_file_socket_process_or_clock(module: Module) -> None:
    assert list(rules.impure_calls(module.tree)) == []
