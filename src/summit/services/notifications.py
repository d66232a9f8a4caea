"""The routes of notifications: what definitions have, what became of notices, and telling."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.alerts.desk_state import Tally
from summit.alerts.entries import Tell
from summit.base.errors import Unavailable
from summit.documents.notification import validate_notification
from summit.notify import ask_to_tell, prepare_recipient
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.services.permission import acting
from summit.web import Operation, Request, Routes

PATH: Final = "/api/notifications"
TOLD_TIMEOUT_S: Final = 12.0  # below what a request may take


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a request to tell something."""

    by: str = ""


class AskedOf(Asked, forbid_unknown_fields=True):
    """The same with the notification that is to tell it."""

    notification: str = ""


def add_notifications(routes: Routes, node: Node) -> None:
    """Add the routes."""

    def validate(document: Any) -> None:
        prepare_recipient(validate_notification(document).plan)

    kind = DefinitionRoutes("notification", PATH, "notification", "notifications", validate)
    known = add_definition_routes(routes, node, kind)

    async def status(request: Request) -> dict[str, Any]:
        name = known(request).id
        tally = node.desk.desk.state.channels.get(name, Tally())
        return {"notification": name, **msgspec.to_builtins(tally)}

    async def test(request: Request) -> dict[str, Any]:
        name = known(request).id
        asked = await request.read_json(Asked) if await request.body() else Asked()
        return await _tell(node, Tell(by=acting(request) or asked.by, channel=name))

    async def tell(request: Request) -> dict[str, Any]:
        asked = await request.read_json(AskedOf)
        node.definitions.get("notification", asked.notification)  # raises where it is not there
        alert = request.path_params["id"]
        return await _tell(
            node, Tell(by=acting(request) or asked.by, id=alert, channel=asked.notification)
        )

    routes.get(PATH + "/{id}/status", status, Operation("Show what became of notices", kind.tag))
    routes.post(
        PATH + "/{id}/test", test,
        Operation("Send a test notice", kind.tag, body=Asked, body_optional=True),
    )  # fmt: skip
    routes.post(
        "/api/alerts/{id}/notify", tell,
        Operation("Tell an alert once more", "alerts", body=AskedOf, problems=(409,)),
    )  # fmt: skip


async def _tell(node: Node, entry: Tell) -> dict[str, Any]:
    """Ask the notifier, wherever it runs, and wait for what becomes of it.

    Raises: Unavailable("notify.unavailable") where it was not delivered; what the desk refuses.
    """
    (change,) = await ask_to_tell(node.desk, [entry], TOLD_TIMEOUT_S)
    if change is None:
        reason = f"no answer of the channel within {TOLD_TIMEOUT_S:g} s; it is tried on"
        raise Unavailable("notify.unavailable", reason=reason)
    if not change.after["delivered"]:
        raise Unavailable("notify.unavailable", reason=change.note)
    return {"status": "delivered", "notification": entry.channel}
