"""`summit rules import-sigma`: Sigma rules as documents, and a report of what could not be."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from summit.base.errors import Invalid
from summit.cli.output import counted, output_option, print_json, talk

if TYPE_CHECKING:
    from summit.sigma.importing import Result

_SUFFIXES = (".yml", ".yaml")
_SHOWN = 20
_TEXT_SHOWN = 200


@click.command("import-sigma")
@click.argument("places", nargs=-1, required=True, metavar="FILE|DIR...")
@click.option("--out", metavar="DIR", help="Write a JSON document for each rule there.")
@click.option(
    "--mapping", metavar="FILE", help="Which events are meant by a log source; see docs/sigma.md."
)
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="FILE",
    help="A processing pipeline of pySigma (YAML), which renames fields and more.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit code 1 when a rule could not be imported.")
@output_option
def import_sigma(
    places: Sequence[str],
    out: str | None,
    mapping: str | None,
    pipelines: Sequence[str],
    strict: bool,
    output: str | None,
) -> None:
    """Turn the Sigma rules and correlation rules of FILE or DIR into documents.

    Without --out the documents go to standard output, one a line. Rules that only feed a
    correlation make no alerts by themselves and get no document (generate: true changes that).
    """
    from summit.services.definition_kinds import check_definition
    from summit.sigma.importing import import_rules, read_pipeline
    from summit.sigma.logsources import SourceMapping, read_mapping

    roots = {path: base for place in places for path, base in _files(Path(place))}
    if not roots:
        raise Invalid("rules.none", places=", ".join(places))
    sources = SourceMapping() if mapping is None else read_mapping(_plain(Path(mapping)))
    result = import_rules(
        ((str(path), _read(path)) for path in roots),
        sources,
        [read_pipeline(_read(Path(path))) for path in pipelines],
        check_definition,
    )
    if out is not None:
        _write(Path(out), result, {str(path): base for path, base in roots.items()})
    else:
        for imported in result.imported:
            print_json(imported.document)
    _report(result, len(roots), output if out is not None else None)
    sys.exit(1 if strict and result.refused else 0)


def _report(result: Result, files: int, output: str | None) -> None:
    if output == "json":
        print_json(
            {
                "files": files, "imported": len(result.imported), "members": result.members,
                "refused": [refused._asdict() for refused in result.refused],
                "reasons": dict(result.reasons()),
            }
        )  # fmt: skip
        return
    for refused in result.refused[:_SHOWN]:
        talk(f"{refused.source}: {refused.reason}: {refused.text[:_TEXT_SHOWN]}")
    if len(result.refused) > _SHOWN:
        talk(f"and {len(result.refused) - _SHOWN} more; -o json has all")
    for reason, count in result.reasons():
        first = next(refused for refused in result.refused if refused.reason == reason)
        name = first.title or Path(first.source).name
        talk(f"{count:>6}  {reason}, such as '{name}': {first.text[:_TEXT_SHOWN]}")
    talk(
        f"{counted(files, 'file')}: {len(result.imported)} imported, {len(result.refused)} not,"
        f" {result.members} only within correlations"
    )


def _files(place: Path) -> Iterator[tuple[Path, Path]]:
    """Each file, and the folder that it was found under."""
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                yield path, place
    else:
        yield place, place.parent


def _write(out: Path, result: Result, roots: dict[str, Path]) -> None:
    """A file for each file with rules, in the same folders."""
    documents: dict[Path, list[Any]] = {}
    for imported in result.imported:
        source = Path(imported.source)
        base = roots.get(imported.source, source.parent)
        target = (out / source.relative_to(base)).with_suffix(".json")
        documents.setdefault(target, []).append(imported.document)
    for target, found in documents.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            whole = found[0] if len(found) == 1 else found
            target.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")
        except OSError as error:
            raise Invalid(
                "file.unwritable", path=str(target), reason=error.strerror or str(error)
            ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Invalid("file.unreadable", path=str(path), reason=reason) from error


def _plain(path: Path) -> dict[str, Any]:
    """The one document of a YAML or JSON file."""
    from summit.documents import parse_documents

    parsed = parse_documents(_read(path), str(path))
    if len(parsed) != 1:
        raise Invalid("sigma.mapping", reason=f"{path} holds {len(parsed)} documents")
    return parsed[0].values
