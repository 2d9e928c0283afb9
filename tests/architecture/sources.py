"""The project's files as the architecture tests read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "alveary"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the project's root, its text and syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The package directly under ``alveary``, or the module's own name there."""
        return self.path.relative_to("src/alveary").parts[0].removesuffix(".py")


def modules() -> Iterator[Module]:
    """Every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield Module(path.relative_to(ROOT), text, ast.parse(text, str(path)))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function, wherever it is nested."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def texts() -> Iterator[tuple[Path, str]]:
    """The text files that the project shows to the world, by path from its root."""
    suffixes = {".css", ".html", ".js", ".md", ".py", ".toml", ".txt", ".yml"}
    tops = (ROOT / name for name in (".ci", "bench", "console", "demo", "docs", "requirements", "src", "tests"))
    found = [path for top in tops for path in sorted(top.rglob("*"))]
    for path in [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml", *found]:
        if path.is_file() and (path.suffix in suffixes or path.name in {"Makefile", "run"}):
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
