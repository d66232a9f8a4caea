"""What the documents tell a reader to type exists: commands, options, targets, files, code."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from summit.cli.main import root

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("bench/**/*.md"))
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_END_OF_COMMAND = re.compile(r"\s+(?:[|<>&;]|\d>)")


def _typed(text: str, program: str) -> list[str]:
    """The lines and inline codes that start with `program`, without what follows a pipe."""
    blocks = [body for language, body in _FENCE.findall(text) if language in ("", "sh", "shell")]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += _INLINE.findall(_FENCE.sub("", text))
    found = [line.removeprefix("$ ") for line in lines]
    return [_END_OF_COMMAND.split(line)[0] for line in found if re.match(rf"{program}(\s|$)", line)]


def _check(words: list[str], command: click.Command, parent: click.Context | None = None) -> None:
    """Parse the words as the command would; raises what it would say."""
    context = click.Context(command, info_name=command.name, parent=parent)
    context.allow_interspersed_args = command.allow_interspersed_args
    _, rest, _ = command.make_parser(context).parse_args(list(words))
    if not isinstance(command, click.Group):
        assert rest == [], f"{command.name}: unexpected {rest}"
    elif rest:
        _, found, further = command.resolve_command(context, rest)
        assert found is not None
        _check(further, found, context)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist_with_their_options(name: str) -> None:
    for line in _typed((ROOT / name).read_text(encoding="utf-8"), "summit"):
        words = shlex.split(line, comments=True)[1:]
        try:
            _check(words, root)
        except click.UsageError as error:
            pytest.fail(f"{name}: `{line}`: {error.format_message()}")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_exist(name: str) -> None:
    for line in _typed((ROOT / name).read_text(encoding="utf-8"), "make"):
        words = [w for w in shlex.split(line, comments=True)[1:] if "=" not in w]
        assert set(words) <= TARGETS, f"{name}: `{line}`"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name: str) -> None:
    text = _FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if "://" not in link:
            assert ((ROOT / name).parent / link).exists(), f"{name}: {link}"


def test_the_readme_names_its_commands() -> None:
    assert len(_typed((ROOT / "README.md").read_text(encoding="utf-8"), "summit")) > 5


def test_python_in_the_readme_runs(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = [body for language, body in _FENCE.findall(text) if language == "python"]
    assert examples
    for example in examples:
        command = ["-c", example]
        if "\ndef test_" in example:
            (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
            command = ["-m", "pytest", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.strip(), "the example shows nothing"
