"""The web room: HTTP servers, requests, answers and problem details.

The only room that imports starlette and uvicorn. Rooms above build services out of the names
below and never see the framework behind them.
"""

from summit.web.apps import Guard, Handler, Routes, make_app
from summit.web.events import HEARTBEAT, EventStream, event_bytes
from summit.web.guard import PEER
from summit.web.problems import problem_of, problem_response
from summit.web.requests import (
    Request,
    int_parameter,
    media_type,
    request_id_of,
    text_parameter,
)
from summit.web.responses import Response, json_response, text_response
from summit.web.server import WebServer
from summit.web.shield import Shield

__all__ = [
    "HEARTBEAT",
    "PEER",
    "EventStream",
    "Guard",
    "Handler",
    "Request",
    "Response",
    "Routes",
    "Shield",
    "WebServer",
    "event_bytes",
    "int_parameter",
    "json_response",
    "make_app",
    "media_type",
    "problem_of",
    "problem_response",
    "request_id_of",
    "text_parameter",
    "text_response",
]
