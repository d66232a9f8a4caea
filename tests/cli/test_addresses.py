"""Addresses of services as people type them: refused with a text, not with a traceback."""

from __future__ import annotations

import pytest

from summit.base.errors import Invalid
from summit.cli.rest import connection_to


@pytest.mark.parametrize("url", ["http://h:abc", "http://[::1", "ftp://h", "http://:3000", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="http://host:port"):
        connection_to(url, 1)


@pytest.mark.parametrize("url", ["http://h:3000", "h:3000", "https://h:3000", "http://h:3000/base"])
def test_an_address(url: str) -> None:
    connection = connection_to(url, 1)
    assert (connection.host, connection.port) == ("h", 3000)
