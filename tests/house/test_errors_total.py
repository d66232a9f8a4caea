"""The catalogue of errors is total: what is raised is listed, what is listed is raised."""

import ast
from collections.abc import Iterator
from pathlib import Path

from summit.base.catalogue import CATALOGUE

SOURCE = Path(__file__).resolve().parents[2] / "src" / "summit"
CATALOGUE_FILES = {
    SOURCE / "base" / f"{name}.py"
    for name in (
        "catalogue",
        "catalogue_alerts",
        "catalogue_enrich",
        "catalogue_formats",
        "catalogue_streams",
    )
}
KINDS = {spec.kind for spec in CATALOGUE.values()}


def _trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path not in CATALOGUE_FILES:
            name = path.relative_to(SOURCE).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_every_code_that_is_raised_is_listed_with_that_kind() -> None:
    wrong = []
    for name, tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or _called(node) not in KINDS or not node.args:
                continue
            code = node.args[0]
            if not isinstance(code, ast.Constant):
                continue
            spec = CATALOGUE.get(code.value)
            if spec is None or spec.kind != _called(node):
                wrong.append(f"{name}:{node.lineno}: {_called(node)}({code.value!r})")
    assert wrong == []


def test_every_code_of_the_catalogue_is_raised_somewhere() -> None:
    texts = {
        node.value
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {code for code in CATALOGUE if code not in texts} == set()
