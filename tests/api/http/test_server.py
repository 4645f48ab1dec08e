import time
from http.client import HTTPConnection

import httpx
import pytest

from api.http.server import KEEP_ALIVE_SECONDS

LONGEST_USUAL_SECONDS = 60
"""For which nginx and the balancers of the clouds keep idle connections; httpx keeps them for 5."""


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_it_is_not_the_server_who_closes_an_idle_connection_first(api: httpx.Client) -> None:
    assert KEEP_ALIVE_SECONDS > LONGEST_USUAL_SECONDS
    connection = HTTPConnection(api.base_url.host, api.base_url.port or 80, timeout=10)
    for pause in (0, 6):  # longer than what the server has by default
        time.sleep(pause)
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        assert (response.status, response.will_close) == (200, False)
        response.read()
    connection.close()
