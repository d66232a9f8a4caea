"""Alerts: what they hold, how they are made, a view of many, and the desk they are worked on at."""

from summit.alerts.alert import Alert, Evidence, alert_dict, decode_alert, encode_alert
from summit.alerts.attack import Technique, tactics_of, techniques_of
from summit.alerts.desk import AlertDesk, Decision
from summit.alerts.found import CapturedEvent, Found, MatchSource
from summit.alerts.identity import alert_id, log_coordinate
from summit.alerts.making import action_of, correction_of, found_id, make_alert
from summit.alerts.severity import severity_rank
from summit.alerts.templates import render_key
from summit.alerts.view import AlertPage, AlertQuery, AlertView

__all__ = [
    "Alert",
    "AlertDesk",
    "AlertPage",
    "AlertQuery",
    "AlertView",
    "CapturedEvent",
    "Decision",
    "Evidence",
    "Found",
    "MatchSource",
    "Technique",
    "action_of",
    "alert_dict",
    "alert_id",
    "correction_of",
    "decode_alert",
    "encode_alert",
    "found_id",
    "log_coordinate",
    "make_alert",
    "render_key",
    "severity_rank",
    "tactics_of",
    "techniques_of",
]
