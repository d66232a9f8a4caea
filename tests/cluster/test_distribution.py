"""Finding Java and Apache Kafka, and saying exactly what is missing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from summit.base.errors import Invalid, Unavailable
from summit.cluster import find_distribution


def program(directory: Path, name: str, script: str) -> None:
    """A program that says what we want to hear."""
    directory.mkdir(exist_ok=True, parents=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def java(directory: Path, version: str = "21.0.1") -> dict[str, str]:
    """An environment with a Java."""
    program(directory / "bin", "java", f"echo 'openjdk version \"{version}\"' >&2")
    return {"PATH": str(directory / "bin"), "XDG_CACHE_HOME": str(directory / "cache")}


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    for env in ({"PATH": str(tmp_path)}, {"PATH": "", "JAVA_HOME": str(tmp_path)}):
        with pytest.raises(Invalid) as caught:
            find_distribution(env=env)
        assert caught.value.code == "cluster.java_missing"
        assert "default-jre-headless" in caught.value.advice


def test_an_old_java_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is Java 11"):
        find_distribution(env=java(tmp_path, "11.0.2"))


def test_without_maven_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        find_distribution(env=java(tmp_path))
    assert caught.value.code == "cluster.maven_missing"
    assert "apt-get install maven" in caught.value.advice
    assert "KAFKA_HOME" in caught.value.advice


def test_an_unpacked_one_is_taken_as_it_is(tmp_path: Path) -> None:
    env = java(tmp_path) | {"KAFKA_HOME": str(tmp_path / "kafka")}
    with pytest.raises(Invalid) as caught:
        find_distribution(env=env)
    assert caught.value.code == "cluster.home_invalid"
    libraries = tmp_path / "kafka" / "libs"
    libraries.mkdir(parents=True)
    (libraries / "kafka_2.13-4.3.1.jar").touch()
    found = find_distribution(env=env)
    assert found.classpath == f"{libraries}/*"
    assert found.command("kafka.Kafka", "x", options=("-Xmx1m",)) == [
        str(tmp_path / "bin" / "java"), "-Xmx1m", "-cp", f"{libraries}/*", "kafka.Kafka", "x",
    ]  # fmt: skip


def test_jars_are_fetched_once_and_whole(tmp_path: Path) -> None:
    env = java(tmp_path)
    env["PATH"] += ":/usr/bin:/bin"
    calls, maven = tmp_path / "calls", tmp_path / "bin"
    program(maven, "mvn", f"echo failing >> {calls}; echo '[ERROR] no such version'; exit 1")
    with pytest.raises(Unavailable, match="no such version"):
        find_distribution("4.3.1", env=env)
    program(
        maven, "mvn",
        f'for a; do case $a in -DoutputDirectory=*) d=${{a#*=}};; esac; done; '
        f'mkdir -p "$d"; touch "$d/kafka.jar"; echo fetching >> {calls}',
    )  # fmt: skip
    found = find_distribution("4.3.1", env=env)
    jars = Path(found.classpath).parent
    assert [file.name for file in jars.iterdir()] == ["kafka.jar"]
    assert jars.parent == tmp_path / "cache" / "summit" / "kafka"
    assert find_distribution("4.3.1", env=env) == found
    assert calls.read_text().split() == ["failing", "fetching"]
    assert [path.name for path in jars.parent.iterdir()] == ["4.3.1"], "nothing half-fetched"
    with pytest.raises(Invalid, match=r"3\.9"):
        find_distribution("3.9.0", env=env)
