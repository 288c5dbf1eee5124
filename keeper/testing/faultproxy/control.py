"""The control interface: rules in, journal out, over HTTP on a port of its own.

It can end processes (`signal`) and change the chain (`upstream_call`), so it listens on the
loopback interface alone, and every request bears the token that the proxy made when it started:
`Authorization: Bearer TOKEN`.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from keeper.model.errors import ConfigError
from keeper.testing.faultproxy.pool import PoolSettings
from keeper.testing.faultproxy.rules import read
from keeper.testing.faultproxy.service import Service
from keeper.testing.faultproxy.upstream import address


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /upstream`."""

    url: str
    ws_url: str | None = None


class WsOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /ws`."""

    action: str
    new: bool = False


def control(service: Service, token: str) -> web.Application:
    """Return the application that only the holder of *token* may use."""
    desk = _Desk(service)
    app = web.Application(middlewares=[_only_with(token), _in_words])
    app.add_routes(
        [
            web.get("/log", desk.log),
            web.get("/sends", desk.sends),
            web.delete("/log", desk.forget),
            web.get("/rules", desk.rules),
            web.put("/rules", desk.replace_rules),
            web.post("/rules", desk.add_rules),
            web.delete("/rules", desk.clear_rules),
            web.put("/upstream", desk.turn_to),
            web.post("/ws", desk.set_ws),
            web.get("/pool", desk.pool),
            web.put("/pool", desk.set_pool),
        ]
    )
    return app


def _only_with(token: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            return _json({"error": "Authorization: Bearer TOKEN is missing or wrong"}, 401)
        return await handler(request)

    return check


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what is wrong with a request."""
    try:
        return await handler(request)
    except (ConfigError, msgspec.DecodeError) as error:
        return _json({"error": str(error)}, 400)


class _Desk:
    """One method per route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def log(self, request: web.Request) -> web.Response:
        return _json(self._service.journal.entries(request.query.get("method", "*")))

    async def sends(self, _request: web.Request) -> web.Response:
        sends = self._service.journal.sends()
        return _json([msgspec.structs.asdict(s) | {"accepted": s.accepted} for s in sends])

    async def forget(self, _request: web.Request) -> web.Response:
        self._service.journal.clear()
        return _json({})

    async def rules(self, _request: web.Request) -> web.Response:
        return _json(self._service.chooser.tallies())

    async def replace_rules(self, request: web.Request) -> web.Response:
        self._service.chooser.replace(read(await request.read()))
        return await self.rules(request)

    async def add_rules(self, request: web.Request) -> web.Response:
        self._service.chooser.add(read(await request.read()))
        return await self.rules(request)

    async def clear_rules(self, request: web.Request) -> web.Response:
        self._service.chooser.replace(())
        return await self.rules(request)

    async def turn_to(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=Upstream)
        self._service.turn_to(address(asked.url, asked.ws_url))
        return _json(self._service.node.where)

    async def set_ws(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=WsOrder)
        return _json({"connections": self._service.set_ws(asked.action, new=asked.new)})

    async def pool(self, _request: web.Request) -> web.Response:
        pooled = self._service.pooled
        return _json({"settings": pooled.settings, "held": pooled.pool.content()})

    async def set_pool(self, request: web.Request) -> web.Response:
        await self._service.set_pool(msgspec.json.decode(await request.read(), type=PoolSettings))
        return await self.pool(request)


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(document, enc_hook=_large),
        status=status,
        content_type="application/json",
    )


def _large(value: object) -> str:
    """Write what JSON has no form for."""
    return str(value)
