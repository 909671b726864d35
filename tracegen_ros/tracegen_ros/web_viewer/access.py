"""Who may open the viewer. It has buttons that move a robot, so that every request is judged, web sockets too.

On this machine only (the default): the request must name this machine, which keeps out pages that let their own
name resolve to 127.0.0.1 (DNS rebinding), and must not come from another site's page.
Opened wider, by its address or by a reverse proxy under a name that is allowed: a token as well. It is given once in
the address, ``http://host:8080/?token=...``; a cookie remembers it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SHORTEST_TOKEN = 16
"""Characters that a token has at least: guessing it must be hopeless."""

_COOKIE = "tracegen_viewer"
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_MAKE_A_TOKEN = "python3 -c 'import secrets; print(secrets.token_urlsafe())' > viewer_token"


class AccessError(ValueError):
    """The viewer would be open to people it must not be open to."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a request.

    Attributes:
        status: HTTP status; 200 means: go on.
        reason: One sentence for the person in front of the browser.
        headers: Headers of the answer, when it is not to go on.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> bool:
        """The request is to be answered."""
        return self.status == 200


_GO_ON = Verdict(200)


def read_token(path: str) -> str:
    """The token in the file ``path``; no path, no token.

    Raises:
        AccessError: The file cannot be read, or holds none that is long enough.
    """
    if not path:
        return ""
    try:
        token = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"cannot read the viewer's token file {path}: {error}") from error
    if len(token) < SHORTEST_TOKEN or not token.isascii() or any(letter.isspace() for letter in token):
        raise AccessError(
            f"the viewer's token in {path} must be one ASCII word of {SHORTEST_TOKEN} characters or more; "
            f"make one with: {_MAKE_A_TOKEN}"
        )
    return token


def read_hosts(names: str) -> frozenset[str]:
    """The hosts in ``names``, separated by commas, as browsers name them: lower case, without a port.

    Raises:
        AccessError: One is more than a name.
    """
    hosts = frozenset(name.strip().lower() for name in names.split(",") if name.strip())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise AccessError(
                f"allowed_hosts takes names as in robot.example, without http:// and port, separated by commas; "
                f"got {host!r}"
            )
    return hosts


def is_local(host: str) -> bool:
    """Whether ``host``, a name or an address, means this machine and nobody else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class AccessRules:
    """Judges requests.

    Attributes:
        host: Address that the viewer listens on.
        token: What has to be known; empty = nothing, which is for this machine only.
        allowed_hosts: Names, besides this machine's own, that it answers to; none = any on a wide host, no other on
            this machine only.

    Raises:
        AccessError: A wide host, or names allowed, without a token.
    """

    host: str
    token: str
    allowed_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.token and not is_local(self.host):
            raise AccessError(
                f"the viewer can move the robot: on host {self.host!r}, which other machines reach, it needs a token; "
                f"make one with: {_MAKE_A_TOKEN}; name the file in token_file, or stay on 127.0.0.1 and "
                "use ssh -L 8080:localhost:8080"
            )
        if self.allowed_hosts and not self.token:
            raise AccessError(
                f"the viewer can move the robot: under other names, {', '.join(sorted(self.allowed_hosts))}, it needs "
                f"a token; make one with: {_MAKE_A_TOKEN}; name the file in token_file, or leave allowed_hosts empty"
            )

    def judge(self, path: str, headers: Mapping[str, str]) -> Verdict:
        """What becomes of a request for ``path`` (with its query); ``headers`` are found whatever their case."""
        asked = headers.get("Host") or ""
        named = urlsplit(f"//{asked}").hostname or ""
        if not self._answers_to(named):
            return Verdict(
                403, f"this viewer does not answer as {asked!r}; names of a proxy go into its allowed_hosts"
            )
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != asked:
            return Verdict(403, f"a page of {origin} must not use this viewer")
        if not self.token:
            return _GO_ON
        given = parse_qs(urlsplit(path).query).get("token", [""])[0]
        if given and hmac.compare_digest(given.encode(), self.token.encode()):
            if (headers.get("Upgrade") or "").lower() == "websocket":
                return _GO_ON
            cookie = f"{_COOKIE}={self._mark}; Path=/; HttpOnly; SameSite=Strict"
            # Nothing of what was asked for goes back: to a browser "/\evil.example" is another site.
            return Verdict(303, "", (("Location", "/"), ("Set-Cookie", cookie)))
        if hmac.compare_digest(_cookie(headers.get("Cookie") or "").encode(), self._mark.encode()):
            return _GO_ON
        return Verdict(401, "the token is wrong" if given else "this viewer asks for its token")

    def _answers_to(self, named: str) -> bool:
        if is_local(named) or named in self.allowed_hosts:
            return True
        return not is_local(self.host) and not self.allowed_hosts

    @property
    def _mark(self) -> str:
        """What the cookie holds: it proves the token and does not show it."""
        return hmac.new(self.token.encode(), _COOKIE.encode(), hashlib.sha256).hexdigest()


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(_COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
