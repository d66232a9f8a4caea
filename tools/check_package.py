"""Looks into the built archives: what must be inside is, what must not be is not.

Usage: check_package.py DIST, a folder with one wheel and one sdist of `summit-streams`.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA_SUFFIXES = {".proto", ".py", ".typed", ".yaml"}


def sources() -> set[str]:
    """Every file of the package that is no cache."""
    package = ROOT / "src"
    return {
        path.relative_to(package).as_posix()
        for path in (package / "summit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def wheel_problems(path: Path) -> list[str]:
    """What is wrong with the wheel, one line each."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        fields = message_from_bytes(archive.read(metadata))
    info = metadata.split("/")[0]
    found = [f"wheel: {name} is missing" for name in sorted(sources() - names)]
    found += [
        f"wheel: {name} does not belong there"
        for name in sorted(names - sources())
        if not name.startswith(info)
    ]
    found += [
        f"wheel: {name} is no part of a package"
        for name in sorted(names)
        if not name.startswith(info) and Path(name).suffix not in DATA_SUFFIXES
    ]
    if f"{info}/licenses/LICENSE" not in names:
        found.append("wheel: the licence is missing")
    for key, value in (("License-Expression", "Apache-2.0"), ("Requires-Python", ">=3.11")):
        if fields[key] != value:
            found.append(f"wheel: {key} is {fields[key]!r}, not {value!r}")
    if "summit/py.typed" not in names:
        found.append("wheel: py.typed is missing")
    return found


def sdist_problems(path: Path) -> list[str]:
    """What is wrong with the source archive."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {f"src/{name}" for name in sources()}
    wanted |= {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "Makefile"}
    return [f"sdist: {name} is missing" for name in sorted(wanted - names)]


def main(dist: Path) -> int:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    problems = wheel_problems(wheel) + sdist_problems(sdist)
    print("\n".join(problems) or f"{wheel.name} and {sdist.name} hold what they should")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
