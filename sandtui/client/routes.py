"""Routing of requests: direct, or through a proxy from the environment.

httpx reads the same variables, but it fails on an unusable value even if no request needs it, takes an IPv6 address in
NO_PROXY for a host name, and sends requests for this machine to the proxy. Here a value matters only when a request
depends on it, and an error names the variable.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from sandtui.client.errors import ConfigurationError
from sandtui.client.forking import renew_in_child
from sandtui.client.http_library import httpx

T = TypeVar("T", httpx.BaseTransport, httpx.AsyncBaseTransport)

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


class Trust:
    """The trusted certificates, loaded on first use: that takes 20 ms or more."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked process: a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """Return the SSL context.

        Raises:
            ConfigurationError: the environment names unusable certificates or an unusable key log.
        """
        with self._lock:
            if self._context is None:
                self._context = _context()
            return self._context


class Routes:
    """Proxies and certificates from the environment at the time of creation."""

    def __init__(self, trust: Trust | None = None) -> None:
        self.trust = trust or Trust()
        found = getproxies()
        self._exceptions = [entry.strip().lower() for entry in found.pop("no", "").split(",") if entry.strip()]
        self._proxies = {scheme: address for scheme, address in found.items() if address}

    def proxy_for(self, url: httpx.URL) -> tuple[str, str] | None:
        """Return the proxy for a URL and the scheme of its variable; None for a direct connection."""
        host = url.host.lower().rstrip(".")
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        if is_this_machine(host) or any(_matches(entry, host, port) for entry in self._exceptions):
            return None
        for scheme in (url.scheme, "all"):
            if scheme in self._proxies:
                address = self._proxies[scheme]
                return address if "://" in address else f"http://{address}", _variable(scheme)
        return None


class Transports(Generic[T]):
    """The transports of one httpx client, one for each route."""

    def __init__(self, make: Callable[[ssl.SSLContext, httpx.Proxy | None], T], routes: Routes) -> None:
        self._make: Callable[[ssl.SSLContext, httpx.Proxy | None], T] = make
        self._routes = routes
        self._made: dict[tuple[bool, str | None], T] = {}
        self._lock = threading.Lock()

    def known(self, url: httpx.URL) -> T | None:
        """Return the transport for a URL, if it exists already."""
        address, _ = self._routes.proxy_for(url) or (None, "")
        return self._made.get((_is_secure(url, address), address))

    def of(self, url: httpx.URL) -> T:
        """Return the transport for a URL. It may have to load certificates first.

        Raises:
            ConfigurationError: the environment names an unusable proxy or unusable certificates.
        """
        address, variable = self._routes.proxy_for(url) or (None, "")
        secure = _is_secure(url, address)
        with self._lock:
            if (secure, address) not in self._made:
                # Without TLS nothing is verified; this context would reject every server.
                verify = self._routes.trust.context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                proxy = None if address is None else _proxy(address, variable)
                try:
                    self._made[secure, address] = self._make(verify, proxy)
                except ImportError:
                    raise ConfigurationError(
                        f"{variable} names a SOCKS proxy, which needs another package: pip install 'sandtui[socks]'"
                    ) from None
            return self._made[secure, address]

    def all(self) -> list[T]:
        """Return all transports."""
        with self._lock:
            return list(self._made.values())


class RoutedTransport(httpx.BaseTransport):
    """Sends each request over its route."""

    def __init__(
        self, make: Callable[[ssl.SSLContext, httpx.Proxy | None], httpx.BaseTransport], routes: Routes
    ) -> None:
        self._transports: Transports[httpx.BaseTransport] = Transports(make, routes)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._transports.of(request.url).handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.all():
            transport.close()


class AsyncRoutedTransport(httpx.AsyncBaseTransport):
    """The asynchronous version of :class:`RoutedTransport`."""

    def __init__(
        self, make: Callable[[ssl.SSLContext, httpx.Proxy | None], httpx.AsyncBaseTransport], routes: Routes
    ) -> None:
        self._transports: Transports[httpx.AsyncBaseTransport] = Transports(make, routes)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        transport = self._transports.known(request.url)
        if transport is None:
            transport = await asyncio.to_thread(self._transports.of, request.url)
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.all():
            await transport.aclose()


def _is_secure(url: httpx.URL, proxy: str | None) -> bool:
    return url.scheme == "https" or (proxy is not None and proxy.startswith("https:"))


def environment_transport() -> AsyncRoutedTransport:
    """Return a transport with the client's routing, for other requests."""

    def connect(verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=verify, proxy=proxy)

    return AsyncRoutedTransport(connect, Routes())


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is a loopback one, which a proxy can't reach."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_readable_on_the_way(url: str) -> bool:
    """Whether requests to a URL leave this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_this_machine(parts.hostname or "")


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY matches a host: a domain with its subdomains, an address, a network, or ``*``."""
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2]
    name, wanted = entry, ""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        wanted = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, wanted = entry.partition(":")
    if wanted and wanted != str(port):
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        domain = name.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _variable(scheme: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme}_PROXY", f"{scheme.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), "the system's proxy setting")


def _proxy(address: str, variable: str) -> httpx.Proxy:
    # The URL may contain user and password, so no message may quote it.
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        scheme = address.partition("://")[0]
        known = scheme in {"http", "https", "socks5", "socks5h"}
        what = "is not the address of a proxy" if known else f"names a proxy of an unknown kind, {scheme[:20]!r}"
        raise ConfigurationError(
            f"{variable} {what}; it looks like http://proxy.example:3128 or socks5://proxy.example:1080"
        ) from None


def _context() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        # httpx reads the file of the first only; Python writes to that of the last.
        named = [name for name in CERTIFICATE_VARIABLES if os.environ.get(name)]
        guilty = next(
            (name for name in named if os.environ[name] == getattr(error, "filename", None)),
            named[0] if named else None,
        )
        if guilty is None:
            raise ConfigurationError(f"the certificates of this machine can't be used: {error}") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{guilty} ({os.environ[guilty]}) can't be used: {reason}") from None
