"""`Api`: one row of the protocol, with its request and response tables and their functions."""

from __future__ import annotations

from typing import Generic, TypeVar

from summit.base.errors import Invalid
from summit.protocol.compiler import Decoder, Encoder, compile_decoder, compile_encoder
from summit.protocol.message import Message, Versions, parse_versions
from summit.protocol.primitives import Buffer

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class Api(Generic[Q, R]):
    """One API: key, versions, tables.

    Functions are compiled per version at first use and kept. Methods that take a version raise
    Invalid("protocol.unsupported_version") outside `versions`.

    Args:
        key: API key.
        name: Kafka's name, such as "Produce".
        versions: What we serve, `"3-13"`.
        flexible: The versions with compact types and tag buffers, `"9+"`; `""` for none.
        request: Table of the request.
        response: Table of the response.
        advertise_min: The first version that ApiVersions names, when lower than what we serve.
    """

    __slots__ = (
        "_decode_request",
        "_decode_response",
        "_encode_request",
        "_encode_response",
        "advertise_min",
        "flexible",
        "key",
        "name",
        "request",
        "response",
        "versions",
    )

    def __init__(
        self,
        *,
        key: int,
        name: str,
        versions: str,
        flexible: str,
        request: type[Q],
        response: type[R],
        advertise_min: int | None = None,
    ) -> None:
        self.key = key
        self.name = name
        self.versions: Versions = parse_versions(versions)
        self.flexible: Versions = parse_versions(flexible)
        self.request = request
        self.response = response
        self.advertise_min = self.versions.first if advertise_min is None else advertise_min
        self._decode_request: dict[int, Decoder[Q]] = {}
        self._encode_request: dict[int, Encoder[Q]] = {}
        self._decode_response: dict[int, Decoder[R]] = {}
        self._encode_response: dict[int, Encoder[R]] = {}

    def __repr__(self) -> str:
        return f"Api({self.key} {self.name} {self.versions.first}-{self.versions.last})"

    def is_flexible(self, version: int) -> bool:
        """Whether the version has compact types and tag buffers."""
        return version in self.flexible

    def request_header_version(self, version: int) -> int:
        """2 (client id, then a tag buffer) for flexible versions, else 1."""
        return 2 if version in self.flexible else 1

    def response_header_version(self, version: int) -> int:
        """1 (with a tag buffer) for flexible versions, else 0; ApiVersions is always 0."""
        return 1 if version in self.flexible and self.key != 18 else 0

    # ---- functions of one version ----

    def request_decoder(self, version: int) -> Decoder[Q]:
        """`decode(memoryview, position) -> (request, end)`."""
        function = self._decode_request.get(version)
        if function is None:
            flexible = self._check(version)
            function = compile_decoder(self.request, version, flexible=flexible)
            self._decode_request[version] = function
        return function

    def request_encoder(self, version: int) -> Encoder[Q]:
        """`encode(request, append)`."""
        function = self._encode_request.get(version)
        if function is None:
            flexible = self._check(version)
            function = compile_encoder(self.request, version, flexible=flexible)
            self._encode_request[version] = function
        return function

    def response_decoder(self, version: int) -> Decoder[R]:
        """`decode(memoryview, position) -> (response, end)`."""
        function = self._decode_response.get(version)
        if function is None:
            flexible = self._check(version)
            function = compile_decoder(self.response, version, flexible=flexible)
            self._decode_response[version] = function
        return function

    def response_encoder(self, version: int) -> Encoder[R]:
        """`encode(response, append)`."""
        function = self._encode_response.get(version)
        if function is None:
            flexible = self._check(version)
            function = compile_encoder(self.response, version, flexible=flexible)
            self._encode_response[version] = function
        return function

    # ---- whole messages, without frame and header ----

    def decode_request(self, version: int, buf: Buffer, position: int = 0) -> tuple[Q, int]:
        """Decode a request body.

        Returns: The request and the position after it; records are views into `buf`.
        Raises: Invalid("protocol.truncated" | "protocol.malformed").
        """
        return self.request_decoder(version)(memoryview(buf), position)

    def encode_request(self, version: int, message: Q) -> bytes:
        """Encode a request body. Raises: Internal("protocol.encode")."""
        parts: list[Buffer] = []
        self.request_encoder(version)(message, parts.append)
        return b"".join(parts)

    def decode_response(self, version: int, buf: Buffer, position: int = 0) -> tuple[R, int]:
        """Decode a response body; as `decode_request`."""
        return self.response_decoder(version)(memoryview(buf), position)

    def encode_response(self, version: int, message: R) -> bytes:
        """Encode a response body, records copied. Raises: Internal("protocol.encode")."""
        return b"".join(self.encode_response_parts(version, message))

    def encode_response_parts(self, version: int, message: R) -> list[Buffer]:
        """Encode a response body into buffers; records are passed through, not copied."""
        parts: list[Buffer] = []
        self.response_encoder(version)(message, parts.append)
        return parts

    def _check(self, version: int) -> bool:
        if version not in self.versions:
            raise Invalid("protocol.unsupported_version", api=self.name, version=version)
        return version in self.flexible
