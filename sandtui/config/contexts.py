"""The contexts to connect to: profiles of the settings, contexts of the ``prime`` command, and this machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandtui.client import Config
from sandtui.client.errors import ConfigurationError
from sandtui.client.toolkit import DEFAULT_BASE_URL, is_readable_on_the_way, prime_folder
from sandtui.config.settings import Profile, Settings
from sandtui.docker_contexts import docker_contexts

COMMAND_SECONDS = 60.0
"""The most seconds for a command to print a key; it may have to ask the user."""

ALLOW_HTTP = "SANDTUI_ALLOW_HTTP"
"""The environment variable that allows sending a key to another machine without encryption."""

DOCKER = "docker:"
"""What begins the names of contexts for those of the ``docker`` command."""

VARIABLE = "SANDTUI_PROFILE"
"""The environment variable that names the profile to start with."""

_PRIME_NAME = re.compile(r"[A-Za-z0-9_-]+")


class UnknownProfileError(ConfigurationError):
    """There is no profile or context with a name."""


@dataclass(frozen=True, slots=True)
class Context:
    """A named place to connect to. ``kind`` is ``local``, ``prime`` (its files and variables) or ``profile``."""

    name: str
    kind: str
    profile: Profile = Profile.model_construct()  # noqa: RUF009 - frozen; building its validation takes 4 ms
    production: bool = False
    description: str = ""

    @property
    def read_only(self) -> bool:
        """Whether every action that changes something is disabled."""
        return self.profile.read_only


LOCAL = Context("local", "local", description="real sandboxes on this machine")
PRIME = Context("prime", "prime", description="~/.prime and PRIME_*")


def contexts(settings: Settings, home: Path | None = None) -> list[Context]:
    """Return all contexts: profiles first, then those of the ``prime`` command, then this machine."""
    found = [
        Context(
            name,
            "local" if profile.is_local else "profile",
            profile,
            profile.production,
            _description(profile),
        )
        for name, profile in settings.profiles.items()
    ]
    taken = {context.name for context in found} | {"local", "prime"}
    folder = prime_folder(home) / "environments"
    try:
        names = sorted(path.stem for path in folder.glob("*.json"))
    except OSError:
        names = []
    for name in names:
        if _PRIME_NAME.fullmatch(name) and name not in taken:
            description = f"~/.prime/environments/{name}.json"
            found.append(Context(name, "prime", production=name.lower() == "production", description=description))
    return [*found, PRIME, LOCAL, *_engines()]


def _description(profile: Profile) -> str:
    if not profile.is_local:
        return profile.base_url or "the Prime platform"
    runtime = f", run by {profile.engine_runtime}" if profile.engine_runtime else ""
    return f"containers of {profile.engine or 'this machine'}{runtime}" if profile.engine or runtime else "this machine"


def _engines() -> list[Context]:
    """Return a context for each context of the ``docker`` command."""
    return [
        Context(f"{DOCKER}{each.name}", "local", Profile(engine=each.name), description=f"containers of {each.host}")
        for each in docker_contexts()
    ]


def choose(settings: Settings, wanted: str = "", environ: Mapping[str, str] | None = None) -> Context:
    """Return the context to start with: the requested one, ``SANDTUI_PROFILE``, that of the settings, or a usable one.

    Raises:
        UnknownProfileError: there is no profile with that name.
        ConfigurationError: the files of the ``prime`` command cannot be used.
    """
    env = os.environ if environ is None else environ
    in_environment = env.get(VARIABLE, "").strip()
    if wanted:
        return _named(settings, wanted, "")
    if in_environment:
        return _named(settings, in_environment, f" ({VARIABLE})")
    if settings.profile:
        return _named(settings, settings.profile, " (the settings file's `profile`)")
    return PRIME if Config.load(env).api_key else LOCAL


def check_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> None:
    """Check the profile in the environment, even if another one is used.

    Raises:
        UnknownProfileError: there is no profile with that name.
    """
    name = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if name:
        _named(settings, name, f" ({VARIABLE})")


def _named(settings: Settings, name: str, origin: str) -> Context:
    known = contexts(settings)
    for context in known:
        if context.name == name:
            return context
    names = ", ".join(each.name for each in known)
    raise UnknownProfileError(f"no profile {name!r}{origin}; available: {names}")


def resolve(context: Context, environ: Mapping[str, str] | None = None) -> Config:
    """Return the address and the key of a context that is not local.

    May run a command; do not call it in the event loop.

    Raises:
        ConfigurationError: the key is not available, or a part of the configuration is not valid.
    """
    env = os.environ if environ is None else environ
    if context.kind == "prime":
        config = Config.load(env if context == PRIME else {**env, "PRIME_CONTEXT": context.name})
        allowed, way = env.get(ALLOW_HTTP, "") not in {"", "0"}, f"set {ALLOW_HTTP}=1"
    else:
        profile = context.profile
        config = Config(
            api_key=_key_of(context.name, profile, env),
            base_url=profile.base_url or DEFAULT_BASE_URL,
            team_id=profile.team,
            context=context.name,
            read_only=profile.read_only,
        )
        allowed, way = profile.allow_http, f"set `allow_http = true` in the profile {context.name!r}"
    if not allowed and config.api_key and is_readable_on_the_way(config.base_url):
        raise ConfigurationError(
            f"{config.base_url} is not encrypted: others on the network could read the API key. "
            f"Use https://, or {way} to allow it"
        )
    return config


def _key_of(name: str, profile: Profile, env: Mapping[str, str]) -> str:
    ways: list[tuple[str, Callable[[], str]]] = [
        (profile.key_command, lambda: _from_command(profile.key_command)),
        (profile.key_keyring, lambda: _from_keyring(profile.key_keyring)),
        (profile.key_env, lambda: env.get(profile.key_env, "")),
    ]
    key = profile.key or next((read() for given, read in ways if given), env.get("PRIME_API_KEY", ""))
    if not key.strip():
        how = next((f": {given!r} returned none" for given, _ in ways if given), "")
        raise ConfigurationError(f"the profile {name!r} has no API key{how}")
    return key


def _from_command(command: str) -> str:
    try:
        arguments = shlex.split(command)
        # No terminal, since the dashboard uses it. Commands that must ask open a window of their own.
        done = subprocess.run(  # noqa: S603 - the user's own command, from the user's own file
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except OSError as error:
        raise ConfigurationError(f"cannot run key_command {command!r}: {error.strerror or error}") from None
    except (ValueError, IndexError) as error:
        raise ConfigurationError(f"cannot run key_command {command!r}: {error}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"key_command {command!r} timed out after {COMMAND_SECONDS:g} s") from None
    if done.returncode:
        last_line = done.stderr.strip().splitlines()[-1:] or ["no error message"]
        raise ConfigurationError(f"key_command {command!r} failed with exit code {done.returncode}: {last_line[0]}")
    # In a password store, the lines after the first are notes.
    return (done.stdout.splitlines() or [""])[0]


def _from_keyring(entry: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigurationError(
            "key_keyring needs the keyring package: install sandtui[keyring], or use key_command"
        ) from None
    service, _, user = entry.rpartition("/")
    try:
        return str(keyring.get_password(service, user) or "")
    except KeyringError as error:
        raise ConfigurationError(f"cannot read the keyring: {error}") from None
