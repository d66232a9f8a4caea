"""Alerts: what one holds, how its id and texts are made, and a view of many. No I/O."""

from summit.alerts.alert import Alert, Evidence, alert_dict, decode_alert, encode_alert
from summit.alerts.identity import alert_id, log_coordinate
from summit.alerts.making import CapturedEvent, Found, make_alert
from summit.alerts.severity import severity_rank
from summit.alerts.view import AlertPage, AlertQuery, AlertView

__all__ = [
    "Alert",
    "AlertPage",
    "AlertQuery",
    "AlertView",
    "CapturedEvent",
    "Evidence",
    "Found",
    "alert_dict",
    "alert_id",
    "decode_alert",
    "encode_alert",
    "log_coordinate",
    "make_alert",
    "severity_rank",
]
