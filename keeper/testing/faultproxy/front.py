"""The address that bots connect to: HTTP and WebSocket on one port, as a node has them."""

import asyncio
from typing import Final

from aiohttp import web

from keeper.testing.faultproxy.exchange import Delivery
from keeper.testing.faultproxy.service import Service
from keeper.testing.faultproxy.session import open_session, reset, until_gone

LARGEST_QUESTION_BYTES: Final = 1 << 28


def front(service: Service) -> web.Application:
    """Return the application that stands in front of the node."""
    app = web.Application(client_max_size=LARGEST_QUESTION_BYTES)

    async def serve(request: web.Request) -> web.StreamResponse:
        with service.at_work():
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await open_session(service, request)
            if request.method != "POST":
                return web.Response(status=405, headers={"Allow": "POST"})
            body = await request.read()
            delivery = await service.answer(body, "http", service.node.ask)
            return await _deliver(service, request, delivery)

    app.router.add_route("*", "/{path:.*}", serve)
    return app


async def _deliver(
    service: Service, request: web.Request, delivery: Delivery
) -> web.StreamResponse:
    if delivery.silence == "hang":
        await until_gone(service, request.transport)
    if delivery.silence is not None:
        reset(request.transport)
        return web.Response()  # goes nowhere
    headers = {"Content-Type": delivery.kind, **delivery.headers}
    if delivery.drip is None:
        return web.Response(status=delivery.status, body=delivery.body, headers=headers)
    response = web.StreamResponse(status=delivery.status, headers=headers)
    response.content_length = len(delivery.body)
    await response.prepare(request)
    size = delivery.drip.chunk_bytes
    for start in range(0, len(delivery.body), size):
        await response.write(delivery.body[start : start + size])
        await asyncio.sleep(delivery.drip.pause_s)
    return response
