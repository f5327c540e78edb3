"""A platform in a function: replies are given in order, requests are kept."""

import json
from collections.abc import Callable

import httpx

from sandtui.client import AsyncSandboxClient, Config
from tests.probes import session_of

KEY = "key-canary-1234567890"
TOKEN = "token-canary-0987654321"

SANDBOX = {"id": "sbx_1", "name": "one", "status": "RUNNING", "dockerImage": "python:3.11-slim"}


def token_reply(expires="2099-01-01T00:00:00Z", token=TOKEN):
    return {
        "token": token,
        "gateway_url": "http://gateway.test",
        "user_ns": "ns",
        "job_id": "sbx_1",
        "expires_at": expires,
    }


class FakePlatform:
    """Answers by route; a route's answers are used up in order and the last one stays."""

    def __init__(self):
        self.requests: list[httpx.Request] = []
        self.routes: dict[str, list] = {"GET /api/v1/sandbox/sbx_1": [SANDBOX]}

    def on(self, route: str, *answers: object) -> "FakePlatform":
        self.routes[route] = list(answers)
        return self

    def count(self, route: str) -> int:
        return sum(f"{request.method} {request.url.path}" == route for request in self.requests)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self.routes.get(f"{request.method} {request.url.path}")
        if not answers:
            return httpx.Response(404, json={"detail": "no such route"})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        if callable(answer):
            return answer(request)
        return httpx.Response(200, json=answer)


class NoWaiting:
    """Replaces the port's sleep and clock: pauses are kept, and pass at once."""

    def __init__(self, client: AsyncSandboxClient):
        self.pauses: list[float] = []
        self.now = 0.0
        port = session_of(client).port
        port.sleep = self.sleep
        port.monotonic = lambda: self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def client_of(platform: Callable[[httpx.Request], httpx.Response], **options) -> AsyncSandboxClient:
    config = Config(api_key=options.pop("api_key", KEY), base_url="http://platform.test")
    options.setdefault("keep_tokens", False)
    return AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), **options)


def body_of(request: httpx.Request):
    return json.loads(request.content)
