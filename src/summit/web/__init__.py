"""The web room: HTTP servers, requests, answers and problem details.

The only room that imports starlette and uvicorn. Rooms above build services out of the names
below and never see the framework behind them.
"""

from summit.web.apps import Guard, Handler, Routes, make_app
from summit.web.conditions import (
    CONDITIONS_READ,
    CONDITIONS_WRITE,
    check_conditions,
    content_tag,
    failed,
    is_conditional,
    tagged_response,
)
from summit.web.docs_page import docs_page
from summit.web.events import HEARTBEAT, Event, EventStream
from summit.web.openapi import openapi
from summit.web.operations import NoQuery, Operation
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
from summit.web.socket_protocol import PEER

__all__ = [
    "CONDITIONS_READ",
    "CONDITIONS_WRITE",
    "HEARTBEAT",
    "PEER",
    "Event",
    "EventStream",
    "Guard",
    "Handler",
    "NoQuery",
    "Operation",
    "Request",
    "Response",
    "Routes",
    "Shield",
    "WebServer",
    "check_conditions",
    "content_tag",
    "docs_page",
    "failed",
    "int_parameter",
    "is_conditional",
    "json_response",
    "make_app",
    "media_type",
    "openapi",
    "problem_of",
    "problem_response",
    "request_id_of",
    "tagged_response",
    "text_parameter",
    "text_response",
]
