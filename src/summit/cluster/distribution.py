"""Where Apache Kafka is: an unpacked one, or its jars, which Maven fetches once into a cache.

Nothing but Maven's ordinary coordinates is named here; where Maven looks for them is its own
settings' business.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from summit.base.config import environment
from summit.base.errors import Invalid, Unavailable
from summit.base.logs import get_logger

KAFKA_VERSION: Final = "4.3.1"
JAVA_MIN: Final = 17  # what brokers of Apache Kafka 4 need

_FETCH_TIMEOUT_S: Final = 600.0
_ASK_TIMEOUT_S: Final = 60.0
_ARTIFACTS: Final = (
    ("org.apache.kafka", "kafka_2.13", "{version}"),
    ("org.slf4j", "slf4j-simple", "1.7.36"),  # else it logs nothing
)

log = get_logger(__name__)


class Distribution(NamedTuple):
    """What a node is started with.

    Attributes:
        java: The program.
        classpath: Its class path, with Java's own wildcard.
    """

    java: str
    classpath: str

    def command(self, main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs a class of Apache Kafka."""
        return [self.java, *options, "-cp", self.classpath, main, *arguments]


def find_distribution(
    version: str = KAFKA_VERSION, *, env: Mapping[str, str] | None = None
) -> Distribution:
    """Java and Apache Kafka on this machine; blocks, for minutes when jars must be fetched.

    Args:
        version: Which to fetch; of no effect where `KAFKA_HOME` names an unpacked one.
        env: Instead of the process environment (`KAFKA_HOME`, `JAVA_HOME`, `XDG_CACHE_HOME`).
    Raises: Invalid("cluster.java_missing" | "cluster.maven_missing" | "cluster.home_invalid");
        Unavailable("cluster.fetch_failed").
    """
    env = environment() if env is None else env
    java = _java(env)
    home = env.get("KAFKA_HOME")
    if home:
        libraries = Path(home) / "libs"
        if not list(libraries.glob("kafka_2.13-*.jar")):
            raise Invalid("cluster.home_invalid", path=home)
        return Distribution(java, f"{libraries}/*")
    if not re.fullmatch(r"4\.\d+\.\d+", version):
        raise Invalid("cluster.version_invalid", version=version)
    return Distribution(java, f"{_jars(version, env)}/*")


def _java(env: Mapping[str, str]) -> str:
    home = env.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else env.get("PATH"))
    if found is None:
        reason = "there is none here" if not home else f"there is none under JAVA_HOME={home}"
        raise Invalid("cluster.java_missing", needed=JAVA_MIN, reason=reason)
    asked = subprocess.run(
        [found, "-version"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
    )
    told = re.search(r'version "(\d+)', asked.stderr + asked.stdout)
    if told is None or int(told[1]) < JAVA_MIN:
        is_what = "says nothing of its version" if told is None else f"is Java {told[1]}"
        raise Invalid("cluster.java_missing", needed=JAVA_MIN, reason=f"{found} {is_what}")
    return found


def _jars(version: str, env: Mapping[str, str]) -> Path:
    """The directory of a version's jars; fetched when it is not there."""
    cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "summit" / "kafka"
    jars = cache / version
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn", path=env.get("PATH"))
    if maven is None:
        raise Invalid("cluster.maven_missing", version=version)
    log.info("cluster.fetching", version=version, into=str(jars))
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
        project, fetched = Path(scratch) / "pom.xml", Path(scratch) / "jars"
        project.write_text(_project(version), encoding="utf-8")
        goal = "dependency:copy-dependencies"
        try:
            done = subprocess.run(
                [
                    maven, "--batch-mode", "--quiet", f"--file={project}", goal,
                    "-DincludeScope=runtime", f"-DoutputDirectory={fetched}",
                ],
                capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            reason = f"Maven did not end within {_FETCH_TIMEOUT_S:.0f} s"
            raise Unavailable("cluster.fetch_failed", version=version, reason=reason) from error
        if done.returncode != 0:
            lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
            reason = (lines or [f"Maven ended with {done.returncode}"])[0]
            raise Unavailable("cluster.fetch_failed", version=version, reason=reason)
        if not jars.is_dir():  # another process may have been quicker
            fetched.replace(jars)
    return jars


def _project(version: str) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{number.format(version=version)}</version></dependency>"
        for group, artifact, number in _ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>summit</groupId><artifactId>kafka-jars</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )
