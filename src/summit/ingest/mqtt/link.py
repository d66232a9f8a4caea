"""One connection to an MQTT broker on the running event loop; it comes back by itself.

paho-mqtt has a loop of its own, or none: here asyncio watches its socket, so callbacks come on the
loop and no thread is needed. Only dialling blocks, and is done aside.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.secrets import read_secret
from summit.base.tasks import Tasks
from summit.ingest.mqtt.settings import MqttOptions
from summit.ingest.producing import forget

try:
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError as missing:
    raise Invalid("extra.missing", what="MQTT", extra="mqtt") from missing

RETRY_FIRST_S: Final = 0.5
RETRY_MAX_S: Final = 15.0
DIAL_S: Final = 2.0  # how long an end waits for a dial that is under way
MISC_S: Final = 1.0  # how often keep-alives are looked after
# Reason codes that no waiting mends (MQTT 5.0, 2.4), and those of 3.1.1 as paho tells them.
_REFUSED: Final = (
    "Not authorized", "Bad user name or password", "Client identifier not valid",
    "Unsupported protocol version", "Banned", "Bad authentication method",
)  # fmt: skip


class Link:
    """The connection of one collector.

    Args:
        on_message: Called with each message, and the number of the connection it came by.
        on_trouble: Told why there is no connection; None when there is one again.
    """

    def __init__(
        self,
        options: MqttOptions,
        host: str,
        port: int,
        client_id: str,
        on_message: Callable[[Any, int], None],
        on_trouble: Callable[[SummitError | None], None],
    ) -> None:
        self._options = options
        self._host = host
        self._port = port
        self._on_message = on_message
        self._on_trouble = on_trouble
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._lost = asyncio.Event()
        self._is_closing = False
        self._is_closed = False
        self._dialling: asyncio.Future[None] | None = None
        self.epoch = 0  # which connection this is: packet ids mean something only within one
        self._client_id = client_id
        self._client = client = self._make_client()
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_subscribe = self._subscribed
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        client.on_socket_register_write = self._want_write
        client.on_socket_unregister_write = self._unwant_write

    def _make_client(self, *, clean_session: bool = False) -> Any:
        options = self._options
        is_new = options.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, manual_ack=True,
            protocol=paho.MQTTv5 if is_new else paho.MQTTv311,
            clean_session=None if is_new else clean_session,
        )  # fmt: skip
        if options.username is not None:
            client.username_pw_set(options.username, _password(options.password))
        if options.tls is not None:
            client.tls_set_context(options.tls.client_context())
        return client

    async def open(self) -> None:
        """Connect and subscribe. Raises Unavailable("mqtt.unreachable"); Invalid."""
        self._tasks.spawn(self._keep(), "mqtt link")
        try:
            async with asyncio.timeout(self._options.connect_timeout_ms / 1000):
                await self._first
        except TimeoutError:
            raise self._unreachable("no answer in time") from None

    async def close(self) -> None:
        """Disconnect; a session that is to be kept is kept by the broker."""
        self._is_closing = True
        dialling, self._dialling = self._dialling, None
        if dialling is not None and not dialling.done():
            await asyncio.wait((dialling,), timeout=DIAL_S)
        self._client.disconnect()
        await asyncio.sleep(0)
        await self._tasks.cancel_all()
        self._is_closed = True
        if dialling is not None:
            dialling.add_done_callback(self._dialled_late)
        if self._first.done() and not self._first.cancelled():
            self._first.exception()

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a message of the present connection."""
        self._client.ack(mid, qos)

    def _dialled_late(self, dialling: asyncio.Future[None]) -> None:
        """Let go of a connection that came after the end; it would take the session of the next."""
        forget((dialling,))
        sock: Any = self._client.socket()
        if sock is not None:
            self._unwatch(sock)
            sock.close()

    # ---- the connection ----

    async def _keep(self) -> None:
        """Dial, look after keep-alives, and dial again when the connection is gone."""
        wait_s = RETRY_FIRST_S
        while not self._is_closing:
            self._lost.clear()
            self._dialling = self._loop.run_in_executor(None, self._dial)
            try:
                await asyncio.shield(self._dialling)
            except (OSError, ValueError) as error:
                self._dialling = None  # its error would keep the socket
                self._failed(self._unreachable(str(error)))
            else:
                self._dialling = None
                while not self._lost.is_set():
                    self._client.loop_misc()
                    if self._client.is_connected():
                        wait_s = RETRY_FIRST_S
                    try:
                        await asyncio.wait_for(self._lost.wait(), MISC_S)
                    except TimeoutError:
                        pass
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MAX_S)

    def _dial(self) -> None:
        options = self._options
        if options.version != "5":
            if options.clean_start and self.epoch == 0:
                self._forget_session()
            self._client.connect(self._host, self._port, options.keepalive_s)
            return
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = options.receive_maximum
        if options.session_expiry_s:
            properties.SessionExpiryInterval = options.session_expiry_s
        self._client.connect(
            self._host, self._port, options.keepalive_s, properties=properties,
            # Only the first connection may forget; a later one would forget what was not read.
            clean_start=options.clean_start and self.epoch == 0,
        )  # fmt: skip

    def _forget_session(self) -> None:
        """Have the broker forget the session of earlier days: 3.1.1 can only say so of a connection
        that keeps none itself, so one goes ahead.
        """
        client = self._make_client(clean_session=True)
        client.connect(self._host, self._port, self._options.keepalive_s)
        for _ in range(round(DIAL_S / 0.1)):
            if client.is_connected():
                break
            # One that is refused ends by itself; the connection proper says why.
            if client.loop(0.1) != paho.MQTT_ERR_SUCCESS:
                return
        client.disconnect()
        client.loop(0.1)

    def _connected(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any = None) -> None:
        if reason.is_failure:
            text = str(reason)
            self._failed(self._refused(text) if text in _REFUSED else self._unreachable(text))
            return
        self.epoch += 1
        options = self._options
        prefix = f"$share/{options.shared_group}/" if options.shared_group else ""
        if options.version == "5":
            # Retained messages come when a subscription is new, not at each reconnect; shared
            # ones get none.
            more: dict[str, Any] = (
                {} if prefix else {"retainHandling": 1 if options.retained else 2}
            )
            wanted: Any = [
                (prefix + one, SubscribeOptions(qos=options.qos, **more)) for one in options.topics
            ]
        else:
            wanted = [(prefix + one, options.qos) for one in options.topics]
        self._client.subscribe(wanted)

    def _subscribed(self, _: Any, __: Any, ___: Any, reasons: Any, ____: Any = None) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._failed(self._refused(f"a subscription is refused: {refused[0]}"))
            return
        if not self._first.done():
            self._first.set_result(None)
        self._on_trouble(None)

    def _disconnected(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any = None) -> None:
        self._lost.set()
        if not self._is_closing and self._first.done():
            self._on_trouble(self._unreachable(str(reason)))

    def _failed(self, fault: SummitError) -> None:
        if not self._first.done() and isinstance(fault, Invalid):
            self._first.set_exception(fault)
        self._on_trouble(fault)

    def _refused(self, reason: str) -> Invalid:
        return Invalid("mqtt.refused", host=self._host, port=self._port, reason=reason)

    def _unreachable(self, reason: str) -> Unavailable:
        return Unavailable("mqtt.unreachable", host=self._host, port=self._port, reason=reason)

    def _message(self, _: Any, __: Any, message: Any) -> None:
        self._on_message(message, self.epoch)

    # ---- paho's socket on the loop; it is opened in the thread that dials ----

    def _socket_open(self, _: Any, __: Any, sock: Any) -> None:
        self._on_loop(self._watch, sock)

    def _watch(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0 and not self._is_closed:
            self._loop.add_reader(sock, self._readable)

    def _readable(self) -> None:
        self._client.loop_read()
        pending = getattr(self._client.socket(), "pending", None)
        while pending is not None and pending():  # what TLS has decrypted already
            self._client.loop_read()

    def _socket_close(self, _: Any, __: Any, sock: Any) -> None:
        self._on_loop(self._unwatch, sock)

    def _unwatch(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _want_write(self, _: Any, __: Any, sock: Any) -> None:
        self._on_loop(self._watch_write, sock)

    def _watch_write(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0 and not self._is_closed:
            self._loop.add_writer(sock, self._client.loop_write)

    def _unwant_write(self, _: Any, __: Any, sock: Any) -> None:
        self._on_loop(self._unwatch_write, sock)

    def _unwatch_write(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _on_loop(self, act: Callable[[Any], None], sock: Any) -> None:
        if self._loop.is_closed():  # paho's client is thrown away after it
            return
        try:
            here: Any = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            act(sock)
        else:
            self._loop.call_soon_threadsafe(act, sock)


def _password(reference: str | None) -> str | None:
    """The password that a reference names. Raises Invalid("secret.missing")."""
    if reference is None:
        return None
    try:
        return read_secret(reference).decode()
    except UnicodeDecodeError as error:
        raise Invalid("secret.missing", name=reference, reason="it is not UTF-8") from error
