"""A Java virtual machine with Apache Kafka's clients and tools, and our own programs over them.

The jars come through Maven by the coordinates of `java/pom.xml`, once, into a cache outside the
repository: `SUMMIT_INTEROP_CACHE`, else `summit-interop` under `XDG_CACHE_HOME` or `~/.cache`.
`java/Host.java` runs many mains in one virtual machine, because starting one costs seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

SOURCES = Path(__file__).parent / "java"
TOOLS = "org.apache.kafka.tools."
NAMES = {  # the command of Apache Kafka → its class
    "kafka-topics": TOOLS + "TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-producer": TOOLS + "ConsoleProducer",
    "kafka-console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "kafka-consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "kafka-groups": TOOLS + "GroupsCommand",
    "kafka-get-offsets": TOOLS + "GetOffsetShell",
    "kafka-transactions": TOOLS + "TransactionsCommand",
    "kafka-log-dirs": TOOLS + "LogDirsCommand",
    "kafka-broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
    "kafka-cluster": TOOLS + "ClusterTool",
    "kafka-features": TOOLS + "FeatureCommand",
    "kafka-delete-records": TOOLS + "DeleteRecordsCommand",
    "kafka-dump-log": TOOLS + "DumpLogSegments",
    "kafka-leader-election": TOOLS + "LeaderElectionCommand",
    "kafka-metadata-quorum": TOOLS + "MetadataQuorumCommand",
    "kafka-reassign-partitions": TOOLS + "reassign.ReassignPartitionsCommand",
    "kafka-producer-perf-test": TOOLS + "ProducerPerformance",
    "kafka-consumer-perf-test": TOOLS + "ConsumerPerformance",
    "kafka-e2e-latency": TOOLS + "EndToEndLatency",
    "kafka-verifiable-producer": TOOLS + "VerifiableProducer",
    "kafka-verifiable-consumer": TOOLS + "VerifiableConsumer",
    "kafka-streams-application-reset": TOOLS + "StreamsResetter",
    "client-compatibility-test": TOOLS + "ClientCompatibilityTest",
    "transactional-message-copier": TOOLS + "TransactionalMessageCopier",
}


def missing() -> str:
    """Why no virtual machine can run here; empty when it can."""
    lacking = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    return f"{lacking[0]} is not installed" if lacking else ""


def cache() -> Path:
    """Where fetched jars and compiled programs are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("SUMMIT_INTEROP_CACHE") or Path(base) / "summit-interop")


def class_path() -> str:
    """The jars and our compiled programs; fetched and compiled where they are not yet."""
    jars = _made("jars", [SOURCES / "pom.xml"], _fetch)
    sources = sorted(SOURCES.glob("*.java"))
    classes = _made("classes", [SOURCES / "pom.xml", *sources], lambda to: _compile(jars, to))
    return f"{classes}{os.pathsep}{jars}/*"


def _made(name: str, inputs: list[Path], make: object) -> Path:
    """The folder that `make` fills from `inputs`; another one for other contents."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:12]
    folder = cache() / f"{name}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent))
        make(scratch)  # type: ignore[operator]
        try:
            scratch.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(scratch)
    return folder


def _fetch(to: Path) -> None:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={to}"]
    _do(["mvn", "--quiet", "--batch-mode", "--file", str(SOURCES / "pom.xml"), *goal])


def _compile(jars: Path, to: Path) -> None:
    sources = [str(path) for path in sorted(SOURCES.glob("*.java"))]
    _do(["javac", "-d", str(to), "-cp", f"{jars}/*", *sources])


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command[0]} failed: {done.stdout}\n{done.stderr}"


def java(main: str, *arguments: str) -> list[str]:
    """The command that runs `main` in a virtual machine of its own."""
    return [
        "java",
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp",
        class_path(),
        NAMES.get(main, main),
        *arguments,
    ]


class Jvm:
    """One virtual machine that runs many tools and programs, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            java("Host"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def run(self, name: str, *arguments: str, stdin: str = "", timeout_s: float = 60) -> str:
        """The standard output of the program, which must end well."""
        code, output, errors = self.attempt(name, *arguments, stdin=stdin, timeout_s=timeout_s)
        assert code == 0, f"{name} {' '.join(arguments)} ended with {code}:\n{output}\n{errors}"
        return output

    def attempt(
        self, name: str, *arguments: str, stdin: str = "", timeout_s: float = 60
    ) -> tuple[int, str, str]:
        """The exit code, standard output and errors of the program.

        One that takes too long is ended, and the virtual machine with it.
        """
        texts = [text.encode() for text in (NAMES.get(name, name), stdin, *arguments)]
        assert self._process.stdin is not None
        watch = threading.Timer(timeout_s, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(struct.pack(">i", len(texts)))
            for text in texts:
                self._process.stdin.write(struct.pack(">i", len(text)) + text)
            self._process.stdin.flush()
            code = self._number(name)
            return code, self._text(name), self._text(name)
        finally:
            watch.cancel()

    def _number(self, name: str) -> int:
        return int(struct.unpack(">i", self._read(4, name))[0])

    def _text(self, name: str) -> str:
        return self._read(self._number(name), name).decode(errors="replace")

    def _read(self, count: int, name: str) -> bytes:
        assert self._process.stdout is not None
        found = self._process.stdout.read(count)
        assert len(found) == count, f"{name} took too long, or ended the virtual machine"
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
