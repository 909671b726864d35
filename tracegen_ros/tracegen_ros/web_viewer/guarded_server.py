"""A viser server that answers only whom the access rules let in.

viser has no notion of access: who reaches its port sees the page, may press its buttons, and may even ask it to
publish the page on the internet. It stands on the library ``websockets``, whose ``process_request`` is the place for
such checks, but offers no way to it. So the hook is put in while viser opens its port, and the server refuses to start
if viser did not take it.
"""

from __future__ import annotations

import contextlib
import html
import io
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import viser
import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tracegen_ros.web_viewer.access import AccessRules, Verdict

_SAFE_HEADERS = {
    # Nobody shows the page inside a page of his own and has its buttons pressed unknowingly.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_TOKEN_FORM = (
    "<form><input name='token' type='password' autofocus placeholder='token'> <button>Open</button></form>"
)

_ProcessRequest = Callable[[ServerConnection, Request], Response | None]


class ServerError(RuntimeError):
    """The viewer's port cannot be opened, or not safely."""


class GuardedServer(viser.ViserServer):
    """viser's server behind access rules, on one port and no other.

    Args:
        rules: Who is let in; also the address to listen on.
        port: TCP port; 0 takes a free one.
        label: Title of the page's panel.

    Raises:
        ServerError: The port is taken, the address is not this machine's, or viser did not take the guard.
    """

    def __init__(self, rules: AccessRules, port: int, label: str) -> None:
        _check_free(rules.host, port)
        with _guarding(rules) as guarded, contextlib.redirect_stdout(io.StringIO()):
            super().__init__(host=rules.host, port=port, label=label, verbose=False)
        if not guarded or port not in (0, self.get_port()):
            self.stop()
            raise ServerError(
                f"port {port} was taken while it was opened; choose another"
                if guarded
                else f"viser {viser.__version__} opens its port in a way that cannot be guarded; install 1.1"
            )

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Nothing: a page that moves a robot is not published on the internet, whoever asks."""
        return None


def _check_free(host: str, port: int) -> None:
    """Find out now what viser would answer with another port, or wait on forever."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise ServerError(f"cannot open port {port} on {host} for the browser viewer: {error}") from error


@contextlib.contextmanager
def _guarding(rules: AccessRules) -> Iterator[list[bool]]:
    """While open, a server of ``websockets`` that starts in this process judges its requests by ``rules``.

    Yields a list that is no longer empty once one has.
    """
    serve = websockets.asyncio.server.serve
    guarded: list[bool] = []

    def guarded_serve(*arguments: Any, process_request: _ProcessRequest, **options: Any) -> Any:
        guarded.append(True)

        def judge_first(connection: ServerConnection, request: Request) -> Response | None:
            verdict = rules.judge(request.path, request.headers)
            response = process_request(connection, request) if verdict.allowed else _answer(verdict)
            if response is not None:
                for name, value in _SAFE_HEADERS.items():
                    response.headers[name] = value
            return response

        return serve(*arguments, process_request=judge_first, **options)

    websockets.asyncio.server.serve = guarded_serve  # type: ignore[assignment, misc]
    try:
        yield guarded
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _answer(verdict: Verdict) -> Response:
    form = _TOKEN_FORM if verdict.status == HTTPStatus.UNAUTHORIZED else ""
    page = (
        "<!doctype html><meta charset='utf-8'><title>TraceGen</title>"
        "<body style='font: 16px system-ui; margin: 20vh auto; max-width: 30em'>"
        f"<p>{html.escape(verdict.reason)}</p>{form}</body>"
    ).encode()
    headers = Headers(
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Cache-Control", "no-store"),
            *verdict.headers,
        ]
    )
    return Response(verdict.status, HTTPStatus(verdict.status).phrase, headers, page)
