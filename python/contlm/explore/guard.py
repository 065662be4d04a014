"""Who may talk to the page's server.

A server on loopback is open to every page that the visitor's browser shows. Three checks keep them
out: the Host header must be a name of this server (a foreign name that resolves to 127.0.0.1, DNS
rebinding, is not), a request that says where it comes from must come from this page, and each
carries the token that only the printed address has. None of them needs a cookie.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_HEADER = "x-contlm-token"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})


class Guard:
    """ASGI middleware that answers 403 to whoever must not talk to `app`."""

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        self._app = app
        self._host = host
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self.refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that must not pass; None lets it pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not host_allowed(host, self._host):
            return _forbidden(f"host: {host!r} is not a name of this server")
        if scope["method"] == "GET":
            token = QueryParams(scope["query_string"]).get("token", "")
            if not self._knows(token):
                return PlainTextResponse(
                    "Open the whole address that contlm explore printed, with its token.\n", 403
                )
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return _forbidden(f"origin: {origin!r} is another page than this server's")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _forbidden("origin: the request comes from another site")
        if not self._knows(headers.get(TOKEN_HEADER, "")):
            return _forbidden("token: missing or wrong; open the address that was printed last")
        return None

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def host_allowed(header: str, served: str) -> bool:
    """Whether a Host header names a server that listens on `served`.

    Loopback's names and `served` itself do; where all addresses are served, any address in figures
    and this machine's name, too: rebinding needs a name of its own.
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name in _LOOPBACK or name == served.lower():
        return bool(name)
    if served not in _ANY_ADDRESS:
        return False
    return name == socket.gethostname().lower() or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _forbidden(why: str) -> Response:
    return JSONResponse({"error": why}, 403)
