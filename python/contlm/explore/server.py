"""The page's face: one page and one POST that streams a run, on starlette and uvicorn.

They are two small pure-Python packages that keep up with HTTP's traps (request smuggling, limits,
slow and vanished clients); the standard library's server calls itself unfit for more than trust,
and gradio brings dozens of packages and assets of its own for what one page does here.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from contlm.explore.assets import page
from contlm.explore.events import event_json
from contlm.explore.guard import Guard
from contlm.explore.session import Run, Session
from contlm.explore.settings import Settings

_MAX_BODY_BYTES = 1 << 18
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def make_app(session: Session, host: str, token: str) -> Starlette:
    """The page at GET /?token=..., and POST /run: settings in, lines of event JSON out."""

    async def show(_request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY.format(nonce=nonce)}
        return HTMLResponse(page(session.config(), nonce), headers=headers)

    async def run(request: Request) -> Response:
        try:
            settings = Settings.from_json(await _body(request), session.lm.attributes)
        except ClientDisconnect:
            return Response(status_code=400)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400, headers=_HEADERS)
        lines = _lines(session, settings)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=_HEADERS)

    return Starlette(
        routes=[Route("/", show), Route("/run", run, methods=["POST"])],
        middleware=[Middleware(Guard, host=host, token=token)],
    )


def serve(
    session: Session, host: str, port: int, ready: Callable[[str], Any] = lambda address: None
) -> None:
    """Serves the page until Ctrl-C; port 0 takes a free one.

    ready: called with the page's address, token included, once it listens.
    OSError where the address cannot be listened on.
    """
    listening = _listen(host, port)
    token = secrets.token_urlsafe(24)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(session, host, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            # a stream that goes on must not hold up Ctrl-C
            timeout_graceful_shutdown=1,
        )
    )
    try:
        ready(_address(host, listening.getsockname()[1], token))
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
        session.close()


async def _body(request: Request) -> Any:
    """The request's JSON; ValueError for another type, for too much of it and for what is no
    JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ValueError(f"content-type: must be application/json, got {kind!r}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ValueError(f"body: must be at most {_MAX_BODY_BYTES} bytes; shorten the prompt")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"body: must be JSON: {error}") from None


async def _lines(session: Session, settings: Settings) -> AsyncIterator[str]:
    """A run's events, one per line. When the visitor goes away, starlette closes this, which
    cancels the run."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    run = session.start(settings)
    threading.Thread(target=_pass_on, args=(run, loop, events), daemon=True).start()
    try:
        while (event := await events.get()) is not None:
            yield json.dumps(event) + "\n"
    finally:
        run.cancel()


def _pass_on(
    run: Run, loop: asyncio.AbstractEventLoop, events: asyncio.Queue[dict[str, Any] | None]
) -> None:
    try:
        for event in run:
            loop.call_soon_threadsafe(events.put_nowait, event_json(event))
        loop.call_soon_threadsafe(events.put_nowait, None)
    except RuntimeError:
        # the server has ended, and its loop with it; closing the run's iterator cancels it
        run.cancel()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise ValueError(f"port: must be in [0, {1 << 16}), got {port}")
    try:
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise OSError(
            f"explore: cannot listen on {host} port {port}: {error.strerror or error}; choose "
            "another --port, or 0 for a free one"
        ) from error


def _address(host: str, port: int, token: str) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"
