"""Finds, starts and stops the platform of a state directory from another process."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from sandtui.directories import describe
from sandtui.local.files import LOCK_NAME, private_directory, read_private, write_private
from sandtui.local.identity import proves
from sandtui.local.interpreter import DIRECTORY, environment, module_command
from sandtui.local.settings import ELSEWHERE, LocalError, NothingIsolatesError, PlatformSettings, default_state_dir
from sandtui.local.store.disk import Disk
from sandtui.locks import is_held

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 60.0
IDLE_EXIT_SECONDS: Final = 600.0
_PAUSE: Final = 0.02
_LOG_NAME: Final = "platform.log"
_LOG_TAIL: Final = 2000
_LOG_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class Endpoint:
    """The address of a running platform and its API key."""

    base_url: str
    api_key: str = field(repr=False)
    pid: int
    driver: str
    warning: str = ""
    """What all its users must know about its isolation."""
    isolation: str = ""
    """What separates its sandboxes from the machine, and what they may use of it."""
    engine: str = ""
    """The name or address of its container engine and the runtime, if they were named."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        values = asdict(self)
        if not self.engine:
            del values["engine"]
        return values

    def save(self, path: Path) -> None:
        """Write it to the file where other processes look for it."""
        write_private(path, json.dumps(self.as_dict()))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from a file; None if the file is missing or not valid."""
        text = read_private(path)
        try:
            values = json.loads(text or "null")
            base_url, api_key, pid = str(values["base_url"]), str(values["api_key"]), int(values["pid"])
            texts = [str(values.get(name, "")) for name in ("warning", "isolation", "engine")]
            return cls(base_url, api_key, pid, str(values["driver"]), *texts)
        except (ValueError, TypeError, KeyError):
            return None

    @classmethod
    def forget(cls, path: Path, pid: int) -> None:
        """Remove the file of a platform that stops, unless another platform has replaced it."""
        known = cls.load(path)
        if known is not None and known.pid == pid:
            path.unlink(missing_ok=True)


def endpoint_path(settings: PlatformSettings) -> Path:
    """Return the file with the address of the platform of a state directory."""
    # In the state directory and not in a runtime directory, which differs between a login, cron and sudo: a platform
    # that holds the lock but cannot be found would be of no use.
    return settings.state_dir / "endpoint.json"


def find(settings: PlatformSettings) -> Endpoint | None:
    """Return the running platform of a state directory, or None."""
    if not _is_locked(settings):
        return None
    endpoint = Endpoint.load(endpoint_path(settings))
    return endpoint if endpoint is not None and _is_platform(endpoint) else None


def find_engines() -> list[Endpoint]:
    """Return the running platforms over named engines, by the names of their directories."""
    try:
        folders = sorted((default_state_dir().parent / "engines").iterdir())
    except FileNotFoundError:
        return []
    found = (find(PlatformSettings(state_dir=folder)) for folder in folders)
    return [endpoint for endpoint in found if endpoint is not None]


def ensure(settings: PlatformSettings, *, timeout: float = START_SECONDS) -> Endpoint:
    """Return the running platform, starting it if there is none. Simultaneous callers get the same one.

    Raises:
        NothingIsolatesError: nothing on this machine isolates sandboxes, and no driver is named.
        LocalError: it cannot be started, or the one that runs has another driver than the named one.
    """
    try:
        found = _ensure(settings, timeout)
    except OSError as error:
        raise LocalError(
            f"The state directory {settings.state_dir} cannot be used: {describe(error)}. {ELSEWHERE}"
        ) from error
    if settings.driver not in ("auto", found.driver):
        raise LocalError(
            f"The local platform (process {found.pid}) uses the {found.driver} driver, not {settings.driver}. "
            "`sandtui local stop` stops it and its sandboxes."
        )
    if settings.engine_label and settings.engine_label != found.engine:
        raise LocalError(
            f"The platform on {settings.state_dir} (process {found.pid}) uses the engine "
            f"{found.engine or 'of this machine'}, not {settings.engine_label}. Omit --state-dir, or stop it first."
        )
    return found


def _ensure(settings: PlatformSettings, timeout: float) -> Endpoint:
    private_directory(settings.state_dir, "state directory")
    with _start_lock(settings.state_dir / "start.lock", timeout):
        # Another process may run `serve` on this directory and not be ready yet.
        return _started(settings, timeout) or _start(settings, timeout)


def stop(settings: PlatformSettings, *, timeout: float = STOP_SECONDS) -> Endpoint | None:
    """Stop the platform and its sandboxes; return its endpoint, or None if there was none.

    A platform that is starting is waited for. The sandboxes of one that was killed still run: they are stopped too.

    Raises:
        LocalError: it does not respond, or does not stop.
    """
    if not settings.state_dir.is_dir():
        return None
    with _start_lock(settings.state_dir / "start.lock", timeout):
        endpoint = _started(settings, timeout) or _after_kill(settings, timeout)
        if endpoint is None:
            return None
        try:
            with _watched(endpoint.pid) as ended:
                os.kill(endpoint.pid, signal.SIGTERM)
                end = time.monotonic() + timeout
                # The lock is released when the sandboxes have ended, the process ends a moment later.
                while _is_locked(settings) or not ended():
                    if time.monotonic() >= end:
                        text = f"The platform (process {endpoint.pid}) did not stop. See its log: {_log_path(settings)}"
                        raise LocalError(text)
                    time.sleep(_PAUSE)
        except ProcessLookupError:
            return endpoint
        return endpoint


def _started(settings: PlatformSettings, timeout: float) -> Endpoint | None:
    """Return the platform, once it has started if it is starting; None if there is none."""
    end = time.monotonic() + timeout
    while (found := find(settings)) is None and _is_locked(settings):
        if time.monotonic() >= end:
            raise LocalError(f"The platform on {settings.state_dir} does not respond.")
        time.sleep(_PAUSE)
    return found


def _after_kill(settings: PlatformSettings, timeout: float) -> Endpoint | None:
    """Start a platform where one was killed whose sandboxes may run; None if there is no such.

    Only a platform knows how to end sandboxes: it takes over those of the one before it.
    """
    killed = Endpoint.load(endpoint_path(settings))
    if killed is None or killed.driver == "simulated":
        return None
    return _start(replace(settings, driver=killed.driver), timeout)


@contextmanager
def _watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a process has ended, if the system supports it."""
    if sys.platform != "linux":
        yield lambda: True
        return
    fd = os.pidfd_open(pid)
    try:
        # Also true for a zombie process.
        yield lambda: bool(select.select([fd], [], [], 0)[0])
    finally:
        os.close(fd)


def spawn_owned(settings: PlatformSettings) -> subprocess.Popen[bytes]:
    """Begin to start a platform for this process only; it stops when its standard input, a pipe of ours, is closed.

    It then removes the directory that contains its state directory (see :func:`sandtui.scratch.remove_scratch`).
    """
    private_directory(settings.state_dir, "state directory")
    return _spawn(settings, _log_path(settings), owned=True)


def _start(settings: PlatformSettings, timeout: float) -> Endpoint:
    return await_endpoint(_spawn(settings, _log_path(settings)), settings, timeout=timeout)


def await_endpoint(
    process: subprocess.Popen[bytes], settings: PlatformSettings, *, timeout: float = START_SECONDS
) -> Endpoint:
    """Wait until the platform of a new process accepts requests.

    Raises:
        LocalError: the process ended, or did not get ready in time.
    """
    log = _log_path(settings)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        endpoint = Endpoint.load(endpoint_path(settings))
        if endpoint is not None and endpoint.pid == process.pid:
            return endpoint
        if process.poll() == NothingIsolatesError.EXIT_CODE:
            raise NothingIsolatesError(_exit_message(log))
        if process.poll() is not None:
            raise LocalError(f"The local platform did not start. {_refusal(log) or _reason(log)}".rstrip())
        time.sleep(_PAUSE)
    process.kill()
    process.wait()
    raise LocalError(f"The local platform did not start within {timeout:g} seconds. {_reason(log)}".rstrip())


def _spawn(settings: PlatformSettings, log: Path, *, owned: bool = False) -> subprocess.Popen[bytes]:
    """Start the platform in its own session, so that keys and the end of this terminal do not reach it."""
    idle = IDLE_EXIT_SECONDS if settings.idle_exit is None else settings.idle_exit
    ending = ["--owned"] if owned else ["--on-demand", "--idle-exit", str(idle)]
    arguments = [
        "serve", "--host", settings.host, "--port", str(settings.port), "--driver", settings.driver,
        "--state-dir", str(settings.state_dir.resolve()),
        "--fleet", str(settings.fleet), "--seed", str(settings.seed), *ending,
        *(["--share-network"] if settings.share_network else []),
        *(word for network in settings.allow_private for word in ("--allow-private", network)),
        *(["--allow-nested"] if settings.allow_nested else []),
        *([f"--engine={settings.engine}", f"--engine-origin={settings.engine_origin}"] if settings.engine else []),
        *(["--engine-runtime", settings.engine_runtime] if settings.engine_runtime else []),
        *(["--engine-certificates", str(settings.engine_certificates)] if settings.engine_certificates else []),
        "--log-days", str(settings.retention.log_days), "--log-size", str(settings.retention.log_bytes),
        "--record-days", str(settings.retention.record_days), "--records", str(settings.retention.records),
    ]  # fmt: skip
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if _is_long(log) else os.O_APPEND)
    fd = os.open(log, flags, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603
            module_command("sandtui.local", *arguments),
            stdin=subprocess.PIPE if owned else subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=fd,
            env=environment(), cwd=DIRECTORY, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(fd)
    return process


def _log_path(settings: PlatformSettings) -> Path:
    return settings.state_dir.resolve() / _LOG_NAME


def _is_long(log: Path) -> bool:
    try:
        return log.stat().st_size > _LOG_MAX
    except FileNotFoundError:
        return False


def _reason(log: Path) -> str:
    # On a full disk there is no log either.
    disk = Disk(log.parent)
    return str(disk.full()) if disk.is_full else _tail(log)


def _exit_message(log: Path) -> str:
    """Return the error message with which the platform exited."""
    return _end(log).rpartition("sandtui: ")[2] or "Nothing on this machine can isolate sandboxes."


def _refusal(log: Path) -> str:
    """Return the message of a platform that ended because of something a user can fix; empty for anything else."""
    last_line = (_end(log).splitlines() or [""])[-1]
    return last_line.removeprefix("sandtui: ") if last_line.startswith("sandtui: ") else ""


def _end(log: Path) -> str:
    try:
        return log.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _tail(log: Path) -> str:
    text = _end(log)
    return f"The end of its log ({log}):\n{text}" if text else ""


def _is_locked(settings: PlatformSettings) -> bool:
    """Return whether a process holds the lock of the state directory; the lock ends with the process."""
    path = settings.state_dir / LOCK_NAME
    try:
        return is_held(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LocalError(f"The state directory {settings.state_dir} cannot be read: {error.strerror}.") from error


def _is_platform(endpoint: Endpoint) -> bool:
    """Return whether the platform itself is at its address: another program there must not get the key."""
    # No proxy, since the platform is on this machine, and no redirects, since it sends none.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    challenge = secrets.token_hex(32)
    try:
        with opener.open(f"{endpoint.base_url}/healthz?challenge={challenge}", timeout=5) as response:
            content = json.loads(response.read(4096))
            return proves(content["proof"], endpoint.api_key, endpoint.base_url, challenge)
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as an error."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect."""


@contextmanager
def _start_lock(path: Path, timeout: float) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= end:
                    raise LocalError("Another process is still starting the local platform.") from error
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(fd)
