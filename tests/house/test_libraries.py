"""What is imported is declared, what is declared is imported, and each library has its room.

That only its room imports a library is a contract of import-linter; here is that the contract
forgets none.
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EVERYWHERE = {"msgspec"}
# distribution -> module, where the names differ
MODULES = {
    "google-re2": "re2",
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "opentelemetry-proto": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "mysql-replication": "pymysqlreplication",
    "paho-mqtt": "paho",
    "protobuf": "google",
    "pyjwt": "jwt",
    "psycopg2-binary": "psycopg2",
    "pysigma": "sigma",
    "pyyaml": "yaml",
}
# uvicorn finds it by itself
IMPORTED_BY_OTHERS = {"httptools"}
# what a plugin of it imports: nobody loads the plugin but the library itself
HOSTS = {"pytest": "summit.pytest_plugin"}


def _imported() -> set[str]:
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").split(".")[0])
    return found - set(sys.stdlib_module_names) - {"summit"}


def _module(requirement: str) -> str:
    name = re.split(r"[><=;\[ ]", requirement)[0]
    return MODULES.get(name, name.replace("-", "_"))


def _declared() -> set[str]:
    project = PROJECT["project"]
    extras = [
        requirement
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "dev"
        for requirement in requirements
    ]
    return {_module(requirement) for requirement in (*project["dependencies"], *extras)}


def test_imports_are_the_declared_dependencies() -> None:
    assert (_imported() - set(HOSTS)) | IMPORTED_BY_OTHERS == _declared()


def test_the_contract_names_every_library() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    rooms = next(c for c in contracts if c["name"].startswith("Each outside library"))
    assert (_declared() | set(HOSTS)) - EVERYWHERE <= set(rooms["forbidden_modules"])
    for library, plugin in HOSTS.items():
        allowed = [edge for edge in rooms["ignore_imports"] if edge.endswith(f"-> {library}")]
        assert allowed == [f"{plugin} -> {library}"]
    assert rooms["source_modules"] == ["summit.*"]
