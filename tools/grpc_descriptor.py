"""Writes the compiled form of `ingest.proto` beside it, as the gRPC collector loads it.

Usage: grpc_descriptor.py [--check]. Needs protoc, from grpcio-tools. A descriptor instead of stubs:
what protoc makes of a file belongs to one version of the Protobuf library, a descriptor to all.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOM = ROOT / "src" / "summit" / "ingest" / "grpc"
PROTO = "summit/ingest/v1/ingest.proto"
TARGET = ROOM / "descriptor.py"
HEAD = '''"""What protoc made of `{proto}`; made by tools/grpc_descriptor.py, never edited."""

from base64 import b64decode
from typing import Final

FILE: Final = b64decode(
    """
{text}
    """
)
'''


def compile_proto() -> bytes:
    """The serialized `FileDescriptorProto`."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "set"
        command = [
            sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOM / 'proto'}",
            f"--descriptor_set_out={out}", PROTO,
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=60)
        (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    return file.SerializeToString(deterministic=True)


def module(descriptor: bytes) -> str:
    """The module that holds it."""
    text = "\n".join(textwrap.wrap(base64.b64encode(descriptor).decode(), 96))
    return HEAD.format(proto=PROTO.rpartition("/")[2], text=text)


def main() -> int:
    """Write it, or say whether it is what stands there."""
    fresh = module(compile_proto())
    if "--check" not in sys.argv:
        TARGET.write_text(fresh, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == fresh:
        return 0
    print("the descriptor is stale; run tools/grpc_descriptor.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
