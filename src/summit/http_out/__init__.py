"""Outgoing HTTP: requests with time-outs, bounded retries, several addresses and a size limit."""

from summit.http_out.client import Answer, HttpClient
from summit.http_out.settings import HttpConfig

__all__ = ["Answer", "HttpClient", "HttpConfig"]
