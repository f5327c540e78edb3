"""Carries HTTP between a client and a sandbox, request by request, and applies a policy to each."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

import h11

from sandtui.local.gateway.web_policy import Headers, Refusal, WebExchange, WebPolicy

STALL_SECONDS: Final = 1.0
"""Browsers send a request line in one piece: a client that pauses this long in the first word does not speak HTTP."""

_LONGEST_WORD: Final = 32
_LINGER_SECONDS: Final = 2.0
_MAX_HEAD: Final = 256 * 1024
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIRST_WORD: Final = re.compile(_TOKEN)
_BEGINNING: Final = re.compile(_TOKEN + rb" [^\x00-\x20\x7f]*(?: [HTP/1.0]{0,8}\r?)?")
_REQUEST_LINE: Final = re.compile(_TOKEN + rb" [^\x00-\x20\x7f]+ HTTP/1\.[01]\r?\n")
_SLOP: Final = 4
"""Bytes before a response that browsers skip."""


class End(Protocol):
    """One of the two connections, as the relay uses it."""

    def write(self, data: bytes) -> None:
        """Send data."""
        ...

    def write_eof(self) -> None:
        """Send the end of the stream."""
        ...

    def close(self) -> None:
        """Close the connection once everything is sent."""
        ...

    def abort(self) -> None:
        """Reset the connection."""
        ...

    def pause(self, is_paused: bool) -> None:
        """Pause or resume reading."""
        ...


class WebRelay:
    """The relay of one connection. Other protocols than HTTP pass unchanged, since no browser sends them."""

    def __init__(self, policy: WebPolicy, client: End, server: End, on_head: Callable[[], None]) -> None:
        self._policy = policy
        self._client = client
        self._server = server
        self._on_head = on_head
        self._pending = b""
        self._is_raw = False
        self._is_http = False
        self._has_server_spoken = False
        self._response_is_raw = False
        self._is_refused = False
        self._first = b""
        self._stall: asyncio.TimerHandle | None = None
        self._inbound = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._outbound = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._exchange: WebExchange | None = None
        self._version = b"1.1"
        self._method = b""

    def from_client(self, data: bytes) -> None:
        """Process data of the client; empty data is the end of its stream."""
        if self._is_raw:
            self._pass(self._server, data)
        elif self._is_http:
            self._feed_requests(data)
        else:
            self._sniff(data)

    def from_server(self, data: bytes) -> None:
        """Process data of the sandbox; empty data is the end of its stream."""
        self._on_head()
        if self._is_raw or self._response_is_raw:
            self._pass(self._client, data)
        elif self._is_http:
            self._feed_responses(data)
        elif not data:
            self._client.close()
        elif looks_like_response(self._first + data):
            # Sent before any request; it would be taken for the response to one that is on its way.
            self._first += data
            if len(self._first) > _SLOP + len(b"http"):
                self._client.abort()
        else:
            self._has_server_spoken = True
            self._client.write(self._first + data)
            self._first = b""

    def close(self) -> None:
        """Cancel the timers."""
        if self._stall is not None:
            self._stall.cancel()

    def _pass(self, end: End, data: bytes) -> None:
        if data:
            end.write(data)
        else:
            end.write_eof()

    def _sniff(self, data: bytes) -> None:
        self.close()
        self._pending += data
        kind = is_request(self._pending.lstrip(b"\r\n"))
        if not data or kind is False:
            self._go_raw()
            if not data:
                self._server.write_eof()
        elif kind is True:
            if self._has_server_spoken or self._first:
                self._client.abort()
                return
            self._is_http = True
            pending, self._pending = self._pending.lstrip(b"\r\n"), b""
            self._feed_requests(pending)
        elif len(self._pending) <= _LONGEST_WORD:
            self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, self._go_raw)

    def _go_raw(self) -> None:
        self._is_raw = True
        pending, self._pending = self._pending, b""
        if self._first:
            self._client.write(self._first)
            self._first = b""
        if pending:
            self._server.write(pending)

    def _feed_requests(self, data: bytes) -> None:
        if self._is_refused or self._response_is_raw:
            if not data:
                self._server.abort()
            return
        try:
            self._inbound.receive_data(data)
            self._read_requests()
        except h11.RemoteProtocolError as error:
            self._refuse(Refusal(error.error_status_hint, f"The request is not valid HTTP: {error}."))
        except h11.LocalProtocolError:
            self._abort()

    def _read_requests(self) -> None:
        while not self._is_refused:
            event = self._inbound.next_event()
            if event is h11.NEED_DATA:
                return
            if event is h11.PAUSED:
                self._client.pause(True)
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._send_request(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._send_request(h11.EndOfMessage(headers=_without_cookies(list(event.headers))))
                if self._inbound.our_state is h11.DONE:
                    self._next()  # the response came first
                    return
            elif isinstance(event, h11.ConnectionClosed):
                if self._exchange is None:
                    self._server.close()
                    self._client.close()
                else:
                    self._server.write_eof()
                return

    def _begin(self, request: h11.Request) -> None:
        self._on_head()
        decision = self._policy.evaluate(request)
        if isinstance(decision, Refusal):
            self._refuse(decision)
            return
        self._exchange, self._version, self._method = decision, request.http_version, request.method.upper()
        headers = _restore_case(request.headers.raw_items(), decision.request_headers(list(request.headers)))
        if not any(name.lower() == b"host" for name, _ in headers):
            headers = [(b"Host", b"localhost"), *headers]
        if self._version < b"1.1" and not any(name.lower() == b"connection" for name, _ in headers):
            headers = [*headers, (b"Connection", b"close")]
        self._send_request(h11.Request(method=request.method, target=request.target, headers=headers))

    def _send_request(self, event: h11.Event) -> None:
        data = self._outbound.send(event)
        if data:
            self._server.write(data)

    def _feed_responses(self, data: bytes) -> None:
        if self._is_refused:
            return
        awaits_head = self._outbound.their_state is h11.SEND_RESPONSE
        if data and awaits_head and not looks_like_response(self._first + data):
            # Browsers show nothing of it, so it is harmless.
            self._response_is_raw = True
            self._client.write(self._first + data)
            return
        self._first = (self._first + data)[:16] if awaits_head else b""
        try:
            self._outbound.receive_data(data)
            self._read_responses()
        except (h11.RemoteProtocolError, h11.LocalProtocolError):
            if data and self._inbound.our_state is h11.SEND_RESPONSE:
                self._refuse(Refusal(502, "The response of the sandbox is not valid HTTP."))
            elif self._inbound.our_state in (h11.SEND_RESPONSE, h11.IDLE):
                self._client.close()
            else:
                self._abort()

    def _read_responses(self) -> None:
        while not self._is_raw:
            event = self._outbound.next_event()
            if event is h11.NEED_DATA:
                return
            if isinstance(event, h11.InformationalResponse | h11.Response):
                self._first = b""
                self._send_response(event)
            elif isinstance(event, h11.Data):
                self._send_to_client(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                trailers = _without_cookies(list(event.headers)) if self._version >= b"1.1" else []
                self._send_to_client(h11.EndOfMessage(headers=trailers))
                if not self._next():
                    return
            elif isinstance(event, h11.ConnectionClosed):
                self._client.close()
                return
            else:
                return

    def _send_response(self, response: h11.InformationalResponse | h11.Response) -> None:
        if self._exchange is None:
            raise h11.RemoteProtocolError("a response without a request")
        headers = _restore_case(response.headers.raw_items(), self._exchange.response_headers(list(response.headers)))
        if isinstance(response, h11.InformationalResponse):
            if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS and self._version < b"1.1":
                return
            self._send_to_client(
                h11.InformationalResponse(status_code=response.status_code, headers=headers, reason=response.reason)
            )
        else:
            if self._ends_connection(response):
                headers = [each for each in headers if each[0].lower() != b"connection"] + [(b"Connection", b"close")]
            self._send_to_client(
                h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)
            )
        if self._outbound.our_state is h11.SWITCHED_PROTOCOL:
            self._switch()

    def _ends_connection(self, response: h11.Response) -> bool:
        headers = list(response.headers)
        if response.http_version < b"1.1" or any(n == b"connection" and b"close" in v.lower() for n, v in headers):
            return True
        if self._method == b"HEAD" or response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            return False
        return not any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)

    def _switch(self) -> None:
        """Pass everything unchanged from here on: both sides have switched to another protocol."""
        self._is_raw = True
        late, early = self._outbound.trailing_data, self._inbound.trailing_data
        for end, (data, is_over) in ((self._client, late), (self._server, early)):
            if data:
                end.write(data)
            if is_over:
                end.write_eof()
        self._client.pause(False)

    def _send_to_client(self, event: h11.Event) -> None:
        data = self._inbound.send(event)
        if data:
            self._client.write(data)

    def _next(self) -> bool:
        """Start with the next request once this one is complete; return whether that is so."""
        responded = self._inbound.our_state is h11.DONE and self._outbound.their_state is h11.DONE
        is_requested = self._inbound.their_state is h11.DONE and self._outbound.our_state is h11.DONE
        if not responded:
            if self._inbound.their_state is h11.SEND_BODY:
                self._linger()
            else:
                self._client.close()
            return False
        if not is_requested:
            if self._inbound.their_state is not h11.SEND_BODY:
                self._client.close()
            return False
        self._inbound.start_next_cycle()
        self._outbound.start_next_cycle()
        self._exchange = None
        self._client.pause(False)
        self._feed_requests_again()
        return not self._is_refused

    def _feed_requests_again(self) -> None:
        try:
            self._read_requests()
        except h11.RemoteProtocolError as error:
            self._refuse(Refusal(error.error_status_hint, f"The request is not valid HTTP: {error}."))

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in place of the sandbox, and end the connection."""
        self._is_refused = True
        if self._inbound.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._abort()  # in the middle of another response
            return
        body = json.dumps({"error": HTTPStatus(refusal.status).phrase, "detail": refusal.detail}).encode()
        lines = [
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}", "content-type: application/json",
            f"content-length: {len(body)}", "cache-control: no-store", "connection: close",
        ]  # fmt: skip
        if refusal.location:
            lines.append(f"location: {refusal.location}")
        self._client.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        self._linger()

    def _linger(self) -> None:
        """Send the end of the stream, and read what is still on its way: a reset would overtake the response."""
        self._is_refused = True
        self._client.write_eof()
        self._client.pause(False)
        self._stall = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._server.abort)

    def _abort(self) -> None:
        self._client.abort()
        self._server.abort()


def is_request(data: bytes) -> bool | None:
    """Whether the data begins an HTTP request as browsers send it; None if it is too short to tell."""
    line, end, _ = data.partition(b"\n")
    if end:
        return _REQUEST_LINE.fullmatch(line + end) is not None
    if (_BEGINNING if b" " in line else _FIRST_WORD).fullmatch(line) is None and line:
        return False
    # A page can choose the method and the target, and so their length; those too long are refused later.
    return True if len(line) > _MAX_HEAD else None


def looks_like_response(data: bytes) -> bool:
    """Whether a browser could take this for the beginning of a response, or of what may become one."""
    start = data[: _SLOP + 4].lower()
    return any(b"http".startswith(start[skip : skip + 4]) for skip in range(_SLOP + 1) if skip <= len(start))


def _without_cookies(trailers: Headers) -> Headers:
    return [(name, value) for name, value in trailers if name not in (b"cookie", b"set-cookie", b"set-cookie2")]


def _restore_case(raw: Headers, kept: Headers) -> Headers:
    """Return headers with the spelling that they arrived with."""
    names = {name.lower(): name for name, _ in raw}
    return [(names.get(name, name), value) for name, value in kept]
