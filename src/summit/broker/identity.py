"""`meta.properties`: the format of a data directory, and which cluster and node it belongs to.

    format.version=1
    cluster.id=Zm9vYmFyYmF6cXV4MTIzNA
    node.id=1

Written once and atomically; the cluster id never changes, the node id follows the setting.
"""

from __future__ import annotations

import base64
from typing import Final

from summit.base.errors import Corrupt, Invalid
from summit.base.files import Files
from summit.base.rand import Rand

FILE_NAME: Final = "meta.properties"
FORMAT_VERSION: Final = "1"


def ensure_identity(files: Files, data_dir: str, broker_id: int, rand: Rand) -> str:
    """Read or write the identity of a data directory; the caller holds its lock.

    Returns: The cluster id, 22 characters.
    Raises: Invalid("disk.format_unknown") for a directory of a later version;
        Corrupt("disk.file_damaged").
    """
    path = f"{data_dir}/{FILE_NAME}"
    cluster_id = ""
    if files.exists(path):
        known = _parse(files.read_bytes(path))
        version = known.get("format.version", "")
        if version != FORMAT_VERSION:
            raise Invalid("disk.format_unknown", path=path, version=version)
        cluster_id = known.get("cluster.id", "")
        if not cluster_id:
            raise Corrupt("disk.file_damaged", path=path)
        if known.get("node.id") == str(broker_id):
            return cluster_id
    cluster_id = cluster_id or base64.urlsafe_b64encode(rand.bytes(16)).decode().rstrip("=")
    text = f"format.version={FORMAT_VERSION}\ncluster.id={cluster_id}\nnode.id={broker_id}\n"
    files.write_atomic(path, text.encode())
    return cluster_id


def _parse(data: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
    return {key.strip(): value.strip() for key, mark, value in pairs if mark}
