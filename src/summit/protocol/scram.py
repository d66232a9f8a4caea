"""SCRAM and PLAIN: what both sides say, and what of a password is kept.

    client-first   n,,n=alice,r=<nonce>
    server-first   r=<nonce><more>,s=<salt>,i=<iterations>
    client-final   c=biws,r=<nonce><more>,p=<proof>
    server-final   v=<signature>

Kept is a `ScramCredential`: who steals it can neither log in nor read the password, and who only
sees an exchange learns neither. Passwords are used as they are, without SASLprep, as Kafka does.

Source: RFC 5802, RFC 7677 (SHA-256), RFC 4616 (PLAIN), KIP-84.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final, NamedTuple

from summit.base.errors import Invalid

PLAIN: Final = "PLAIN"
SCRAM_SHA_256: Final = "SCRAM-SHA-256"
SCRAM_SHA_512: Final = "SCRAM-SHA-512"
HASHES: Final = {SCRAM_SHA_256: "sha256", SCRAM_SHA_512: "sha512"}
NUMBERS: Final = {SCRAM_SHA_256: 1, SCRAM_SHA_512: 2}  # in the SCRAM credentials APIs
NAMES: Final = {number: name for name, number in NUMBERS.items()}
ITERATIONS_MIN: Final = 4_096
ITERATIONS_MAX: Final = 16_384
ITERATIONS: Final = 8_192
NONCE_BYTES: Final = 24
SALT_BYTES: Final = 24

_PARTS_MAX: Final = 16


class ScramCredential(NamedTuple):
    """What a broker keeps of a password, for one mechanism."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def salted_password(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
    """What travels in a password's place where one is set. Takes milliseconds on purpose."""
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password.encode(), salt, iterations)


def credential_of(mechanism: str, salted: bytes, salt: bytes, iterations: int) -> ScramCredential:
    """What is kept, out of a salted password."""
    client_key = _hmac(mechanism, salted, b"Client Key")
    stored_key = hashlib.new(HASHES[mechanism], client_key).digest()
    return ScramCredential(salt, iterations, stored_key, _hmac(mechanism, salted, b"Server Key"))


def make_credential(mechanism: str, password: str, salt: bytes, iterations: int) -> ScramCredential:
    """What is kept, out of a password. Takes milliseconds on purpose."""
    salted = salted_password(mechanism, password, salt, iterations)
    return credential_of(mechanism, salted, salt, iterations)


def is_password(mechanism: str, credential: ScramCredential, password: str) -> bool:
    """Whether it is the password of a credential. Takes milliseconds on purpose."""
    made = make_credential(mechanism, password, credential.salt, credential.iterations)
    return hmac.compare_digest(made.stored_key, credential.stored_key)


def plain_message(username: str, password: str) -> bytes:
    """The only message of PLAIN."""
    return f"\0{username}\0{password}".encode()


def read_plain(message: bytes) -> tuple[str, str]:
    """User name and password. Raises: Invalid("security.sasl_malformed")."""
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[1] or not parts[2] or parts[0] not in (b"", parts[1]):
        raise _malformed("a PLAIN message has a user name and a password, and speaks for itself")
    try:
        return parts[1].decode(), parts[2].decode()
    except UnicodeDecodeError:
        raise _malformed("user names and passwords are UTF-8") from None


class ClientFirst(NamedTuple):
    """The first message of a client, read.

    `header` says that there is no channel binding and stands again, encoded, in the last message;
    `bare` is what is signed.
    """

    username: str
    nonce: str
    header: str
    bare: str


def read_client_first(message: bytes) -> ClientFirst:
    """Read it. Raises: Invalid("security.sasl_malformed")."""
    text = _text(message)
    binding, comma, rest = text.partition(",")
    authzid, second, bare = rest.partition(",")
    if binding not in ("n", "y") or not comma or not second:
        raise _malformed("channel binding is not offered")
    parts = _parts(bare)
    # What is unknown may not be passed over where it is mandatory (m=); Kafka's tokens are none.
    if set(parts) - {"n", "r"}:
        raise _malformed("it has extensions that are not known")
    nonce, username = parts.get("r", ""), _unescaped(parts.get("n", ""))
    if not nonce or not username:
        raise _malformed("it lacks a user name or a nonce")
    if authzid and authzid != f"a={parts['n']}":
        raise _malformed("nobody may act for others")
    return ClientFirst(username, nonce, f"{binding},{authzid},", bare)


class ServerExchange:
    """The broker's side of one exchange.

    Args:
        nonce: Ours, printable, never used before.
        credential: For a user that is unknown a made-up one: the exchange goes its way and fails.
    """

    def __init__(
        self, mechanism: str, first: ClientFirst, nonce: str, credential: ScramCredential
    ) -> None:
        self._mechanism = mechanism
        self._header = first.header
        self._nonce = first.nonce + nonce
        self._credential = credential
        salt = base64.b64encode(credential.salt).decode()
        self._first = f"r={self._nonce},s={salt},i={credential.iterations}"
        self._bare = first.bare

    @property
    def first(self) -> bytes:
        """The answer to the client's first message."""
        return self._first.encode()

    def final(self, message: bytes) -> bytes | None:
        """The answer to the client's last message; None where its proof does not hold.

        Raises: Invalid("security.sasl_malformed").
        """
        text = _text(message)
        without_proof, mark, proof_text = text.rpartition(",p=")
        parts = _parts(without_proof)
        if not mark or set(parts) != {"c", "r"}:
            raise _malformed("the last message has a binding, a nonce and a proof")
        proof = _base64(proof_text)
        # librdkafka 2.0 says its own nonce twice; the proof is over what was said, as in Kafka.
        if _base64(parts["c"]) != self._header.encode() or not parts["r"].endswith(self._nonce):
            return None
        signed = f"{self._bare},{self._first},{without_proof}".encode()
        signature = _hmac(self._mechanism, self._credential.stored_key, signed)
        if len(proof) != len(signature):
            return None
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        stored_key = hashlib.new(HASHES[self._mechanism], client_key).digest()
        if not hmac.compare_digest(stored_key, self._credential.stored_key):
            return None
        return b"v=" + base64.b64encode(_hmac(self._mechanism, self._credential.server_key, signed))


class ClientExchange:
    """The client's side of one exchange. `first`, then `final`, then `check`."""

    def __init__(self, mechanism: str, username: str, password: str, nonce: str) -> None:
        self._mechanism = mechanism
        self._password = password
        self._nonce = nonce
        self._bare = f"n={_escaped(username)},r={nonce}"
        self._signature = b""

    @property
    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare}".encode()

    def final(self, message: bytes) -> bytes:
        """The last message, out of the server's first. Raises: as `read_client_first`."""
        text = _text(message)
        parts = _parts(text)
        nonce, iterations = parts.get("r", ""), parts.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not iterations.isdecimal():
            raise _malformed("the broker's answer does not belong to the question")
        if not 1 <= int(iterations) <= 1_000_000:
            raise _malformed(f"the broker wants {iterations} iterations")
        salt = _base64(parts.get("s", ""))
        salted = salted_password(self._mechanism, self._password, salt, int(iterations))
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._bare},{text},{without_proof}".encode()
        kept = credential_of(self._mechanism, salted, salt, int(iterations))
        client_key = _hmac(self._mechanism, salted, b"Client Key")
        signature = _hmac(self._mechanism, kept.stored_key, signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = _hmac(self._mechanism, kept.server_key, signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check(self, message: bytes) -> None:
        """See that the broker knows the credential too. Raises: as `read_client_first`."""
        signature = _base64(_parts(_text(message)).get("v", ""))
        if not hmac.compare_digest(signature, self._signature):
            raise _malformed("the broker does not know the user's credential")


def _hmac(mechanism: str, key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, HASHES[mechanism])


def _text(message: bytes) -> str:
    try:
        return bytes(message).decode()
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    pieces = text.split(",", _PARTS_MAX)
    for piece in pieces:
        name, mark, value = piece.partition("=")
        if not mark or len(name) != 1 or name in parts or len(pieces) > _PARTS_MAX:
            raise _malformed("it is no list of name=value")
        parts[name] = value
    return parts


def _escaped(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescaped(name: str) -> str:
    found = name.replace("=2C", ",").replace("=3D", "=")
    if _escaped(found) != name:
        raise _malformed("a user name has an = that stands for nothing")
    return found


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("it is not base64") from None


def _malformed(reason: str) -> Invalid:
    return Invalid("security.sasl_malformed", reason=reason)
