"""The viewer's port as strangers find it: pages, web sockets, and a port that is not free."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("viser", reason="the browser viewer's package viser is not installed")

import viser
import websockets.asyncio.client
import websockets.exceptions
from websockets.typing import Origin, Subprotocol

from tracegen_ros.web_viewer.access import AccessRules
from tracegen_ros.web_viewer.guarded_server import GuardedServer, ServerError

TOKEN = "a-token-of-length-25-here"


@pytest.fixture(scope="module")
def local() -> Iterator[GuardedServer]:
    server = GuardedServer(AccessRules("127.0.0.1", ""), 0, "test")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wide() -> Iterator[GuardedServer]:
    server = GuardedServer(AccessRules("0.0.0.0", TOKEN), 0, "test")
    yield server
    server.stop()


def get(server: GuardedServer, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.get_port(), timeout=30.0)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.body = response.read()
    connection.close()
    return response


def socket_opens(server: GuardedServer, path: str = "/", origin: str | None = None, cookie: str = "") -> bool:
    """Whether viser greets a web socket with its first message."""

    async def try_it() -> bool:
        try:
            async with websockets.asyncio.client.connect(
                f"ws://127.0.0.1:{server.get_port()}{path}",
                origin=None if origin is None else Origin(origin),
                subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
                additional_headers={"Cookie": cookie} if cookie else {},
                proxy=None,
                open_timeout=30.0,
            ) as connection:
                return bool(await asyncio.wait_for(connection.recv(), 30.0))
        except websockets.exceptions.InvalidStatus as error:
            assert error.response.status_code in (401, 403)
            return False

    return asyncio.run(try_it())


def test_the_page_is_served_and_cannot_be_framed(local: GuardedServer) -> None:
    page = get(local)
    assert page.status == 200
    assert b"<html" in page.body
    assert page.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert page.headers["X-Frame-Options"] == "DENY"


def test_own_pages_open_the_socket_and_other_sites_do_not(local: GuardedServer) -> None:
    assert socket_opens(local, origin=f"http://127.0.0.1:{local.get_port()}")
    assert not socket_opens(local, origin="https://evil.example")
    assert get(local, Host="evil.example").status == 403


def test_opened_wide_nothing_is_served_without_the_token(wide: GuardedServer) -> None:
    for path in ("/", "/index.html", "/?token=wrong", "/%2e%2e/index.html"):
        refused = get(wide, path)
        assert refused.status == 401
        assert len(refused.body) < 1000
    assert not socket_opens(wide)
    assert not socket_opens(wide, cookie="tracegen_viewer=0")


def test_opened_wide_the_token_opens_page_and_socket(wide: GuardedServer) -> None:
    entry = get(wide, f"/?token={TOKEN}")
    assert (entry.status, entry.headers["Location"]) == (303, "/")
    cookie = entry.headers["Set-Cookie"].partition(";")[0]
    assert get(wide, Cookie=cookie).status == 200
    assert socket_opens(wide, cookie=cookie)
    assert socket_opens(wide, f"/?token={TOKEN}")
    assert not socket_opens(wide, cookie=cookie, origin="https://evil.example")


def test_nobody_publishes_the_page_on_the_internet(local: GuardedServer) -> None:
    assert local.request_share_url() is None
    assert local._share_tunnel is None


def test_a_port_that_is_taken_is_refused_and_not_replaced_by_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"cannot open port {port} on 127.0.0.1"):
            GuardedServer(AccessRules("127.0.0.1", ""), port, "test")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerError, match=r"cannot open port 0 on 192\.0\.2\.1"):
        GuardedServer(AccessRules("192.0.2.1", TOKEN), 0, "test")


def test_a_viser_that_opens_its_port_otherwise_is_not_left_unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = websockets.asyncio.server.serve
    monkeypatch.setattr("viser.infra._infra.websockets", _Websockets(serve))
    with pytest.raises(ServerError, match="cannot be guarded"):
        GuardedServer(AccessRules("127.0.0.1", ""), 0, "test")


class _Websockets:
    """A module that viser would call instead of the one that is guarded."""

    def __init__(self, serve: object) -> None:
        class Server:
            pass

        class Asyncio:
            server = Server

        Server.serve = serve
        Server.ServerConnection = websockets.asyncio.server.ServerConnection
        self.asyncio = Asyncio
        self.exceptions = websockets.exceptions
        self.datastructures = websockets.datastructures
