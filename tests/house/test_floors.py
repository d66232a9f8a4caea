"""Imports go only downward, and every room has its floor."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOORS = "__main__ | pytest_plugin"  # single files that other programs enter by, above all floors


def test_import_contracts() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_drawing_shows_the_floors_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    layers = [layer for layer in contract["layers"] if layer != DOORS]
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("```")[1]
    drawn = dict(re.findall(r"^ ?(\d+)  (.+)$", drawing, re.MULTILINE))
    assert len(drawn) == len(layers)
    for floor, layer in enumerate(reversed(layers), 1):
        rooms = layer.split(" | ")
        assert drawn[str(floor)].split()[: len(rooms)] == rooms, f"floor {floor}"
