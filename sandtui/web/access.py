"""Who may see the dashboard: one-time tokens or a password, exchanged for a cookie and a key of the page.

Browsers send the cookies of 127.0.0.1 to every port there, so also to a web page that a sandbox serves. The cookie
alone therefore opens nothing: the page also sends a key, which browsers keep apart by port.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from sandtui.web.settings import MAX_BROWSERS

TOKEN_SECONDS: Final = 600.0
"""How long a one-time address is valid."""

MAX_TOKENS: Final = 4
SECRET_BYTES: Final = 32

FAILURES: Final = 5
"""Wrong log-ins of one address before it has to wait; all addresses together have four times as many."""

FAILURE_SECONDS: Final = 60.0
MAX_PEERS: Final = 256

EVERYBODY: Final = ""


class AccessError(Exception):
    """No access; the text is for the user, ``status`` for the browser."""

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that has logged in. ``id`` is no secret."""

    id: str
    cookie: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a browser gets when it logs in."""

    browser: Browser
    cookie: str = field(repr=False)
    key: str = field(repr=False)


class WebAccess:
    """The browsers that are logged in, and what the next one needs. Secrets are kept as digests."""

    def __init__(
        self,
        password: str = "",
        clock: Callable[[], float] = monotonic,
        has_session: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._password = digest(password) if password else None
        self._clock, self._has_session = clock, has_session
        self._tokens: deque[tuple[bytes, float]] = deque(maxlen=MAX_TOKENS)
        self._browsers: dict[str, Browser] = {}
        self._failures: dict[str, deque[float]] = {}

    @property
    def takes_password(self) -> bool:
        """Whether a password logs in; otherwise only tokens do."""
        return self._password is not None

    def issue(self) -> str:
        """Return a new one-time token."""
        token = secrets.token_urlsafe(SECRET_BYTES)
        self._tokens.append((digest(token), self._clock() + TOKEN_SECONDS))
        return token

    def log_in(self, secret: str, peer: str, cookie: str = "", key: str = "") -> Granted:
        """Exchange a token or the password for a cookie and a key. A token is used up.

        A browser that is logged in with ``cookie`` and ``key`` keeps them, and so its session.

        Raises:
            AccessError: it is not valid, there were too many attempts, or too many browsers are logged in.
        """
        self._check_rate(peer)
        if not self._takes(digest(secret)):
            self._note_failure(peer)
            if self.takes_password:
                raise AccessError("Wrong password.")
            raise AccessError("This address has been used or has expired. `sandtui web` prints a new one on Enter.")
        with suppress(AccessError):
            return Granted(self.browser(cookie, key), cookie, key)
        if len(self._browsers) >= MAX_BROWSERS:
            self._forget_one()
        cookie, key = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(2))
        browser = Browser(secrets.token_hex(8), digest(cookie), digest(key))
        self._browsers[browser.id] = browser
        return Granted(browser, cookie, key)

    def browser(self, cookie: str, key: str) -> Browser:
        """Return the browser of a cookie and a key.

        Raises:
            AccessError: they do not belong together, or nobody has logged in with them.
        """
        sent_cookie, sent_key = digest(cookie), digest(key)
        found: Browser | None = None
        # All are compared, so that the time does not depend on which one it is.
        for browser in self._browsers.values():
            matches = hmac.compare_digest(browser.cookie, sent_cookie)
            if matches & hmac.compare_digest(browser.key, sent_key):
                found = browser
        if found is None:
            raise AccessError("This browser is not logged in.", 401)
        return found

    def of_cookie(self, cookie: str) -> Browser | None:
        """Return the browser of a cookie; what it may do needs the key too."""
        sent = digest(cookie)
        found = [browser for browser in self._browsers.values() if hmac.compare_digest(browser.cookie, sent)]
        return found[0] if found else None

    def _forget_one(self) -> None:
        """Log out the browser that has been here longest of those without a session."""
        idle = next((browser_id for browser_id in self._browsers if not self._has_session(browser_id)), None)
        if idle is None:
            raise AccessError(f"{MAX_BROWSERS} browsers have a session already.", 503)
        del self._browsers[idle]

    def _takes(self, sent: bytes) -> bool:
        if self._password is not None:
            return hmac.compare_digest(self._password, sent)
        now = self._clock()
        found = [each for each in self._tokens if hmac.compare_digest(each[0], sent)]
        for each in found:
            self._tokens.remove(each)
        return any(end > now for _, end in found)

    def _check_rate(self, peer: str) -> None:
        since = self._clock() - FAILURE_SECONDS
        for name, most in ((peer, FAILURES), (EVERYBODY, 4 * FAILURES)):
            times = self._failures.get(name, deque())
            while times and times[0] <= since:
                times.popleft()
            if len(times) >= most:
                raise AccessError("Too many wrong attempts: wait a minute.", 429)

    def _note_failure(self, peer: str) -> None:
        if len(self._failures) >= MAX_PEERS:
            everybody = self._failures.get(EVERYBODY, deque())
            self._failures = {EVERYBODY: everybody}
        for name in (peer, EVERYBODY):
            self._failures.setdefault(name, deque(maxlen=4 * FAILURES)).append(self._clock())


def digest(secret: str) -> bytes:
    """Return what is kept and compared of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
