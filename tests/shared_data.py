"""Files of the sibling folder `shared`: real logs and oracles that are not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_file(name: str) -> Path:
    """The file under `shared`, or a skip that says which one is missing."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the shared file {name}, which is not part of the project")
    return path
