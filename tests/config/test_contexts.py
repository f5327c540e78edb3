import sys

import pytest

from sandtui.client.errors import ConfigurationError
from sandtui.config import contexts as module
from sandtui.config.contexts import LOCAL, PRIME, choose, contexts, resolve
from sandtui.config.settings import COMMENTED, SettingsError, load_settings, read_settings, write_commented


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def settings(text):
    return read_settings(text, "config.toml")


def of(name, text):
    return next(context for context in contexts(settings(text)) if context.name == name)


def test_the_commented_file_is_right_with_and_without_its_comments(tmp_path):
    path = tmp_path / "sandtui" / "config.toml"
    write_commented(path)
    assert load_settings(path) == settings("")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="already exists"):
        write_commented(path)
    lines = [line[2:] if line.startswith(("# [", '# "')) or " = " in line else line for line in COMMENTED.splitlines()]
    shown = [
        line for line in lines if line.startswith("[") or (" = " in line and line[0] in 'abcdefghijklmnopqrstuvwxyz"')
    ]
    examples = settings(
        "\n".join(line for line in shown if not line.startswith(("key_env =", 'key_keyring = "SERVICE')))
    )
    assert set(examples.profiles) == {"work", "look", "staging", "here", "build"}
    assert examples.keys["app.refresh"] == ("r", "f5")


def test_contexts_come_from_profiles_and_from_the_prime_command(home):
    folder = home / ".prime" / "environments"
    folder.mkdir(parents=True)
    (folder / "production.json").write_text("{}")
    (folder / "rl.json").write_text('{"api_key": "k-rl", "team_id": "t"}')
    found = contexts(settings("[profiles.work]\nteam = 'x'\n[profiles.here]\nlocal = true\n"))
    assert [(each.name, each.kind) for each in found] == [
        ("work", "profile"),
        ("here", "local"),
        ("production", "prime"),
        ("rl", "prime"),
        ("prime", "prime"),
        ("local", "local"),
    ]
    assert [each.name for each in found if each.production] == ["production"]
    config = resolve(found[3], {})
    assert (config.api_key, config.team_id) == ("k-rl", "t")


def test_engines_are_contexts_by_profile_and_by_the_names_of_docker(home):
    folder = home / ".docker" / "contexts" / "meta" / "0"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"Name": "box", "Endpoints": {"docker": {"Host": "ssh://me@box"}}}')
    known = settings("[profiles.build]\nengine = 'tcp://b'\n[profiles.gvisor]\nengine_runtime = 'runsc'\n")
    found = {each.name: each for each in contexts(known)}
    assert [(name, found[name].kind, found[name].profile.engine) for name in ("build", "gvisor", "docker:box")] == [
        ("build", "local", "tcp://b"),
        ("gvisor", "local", ""),
        ("docker:box", "local", "box"),
    ]
    assert [found[name].description for name in ("build", "gvisor", "docker:box")] == [
        "containers of tcp://b",
        "containers of this machine, run by runsc",
        "containers of ssh://me@box",
    ]
    assert choose(known, "docker:box", {}) == found["docker:box"]
    for text in ("engine = 'x'\nbase_url = 'https://x.example'", "engine_runtime = 'x'\nkey = 'k'"):
        with pytest.raises(SettingsError, match="its own address and key"):
            settings(f"[profiles.x]\n{text}\n")
    with pytest.raises(SettingsError, match="needs an engine"):
        settings("[profiles.x]\nengine_certificates = '~/x'\n")


def test_which_context_is_the_first():
    some = settings("profile = 'a'\n[profiles.a]\nkey = 'k'\n[profiles.b]\nkey = 'k'\n")
    assert choose(some, environ={}).name == "a"
    assert choose(some, environ={"SANDTUI_PROFILE": "b"}).name == "b"
    assert choose(some, "local", {"SANDTUI_PROFILE": "b"}) == LOCAL
    assert choose(settings(""), environ={}) == LOCAL
    assert choose(settings(""), environ={"PRIME_API_KEY": "k"}) == PRIME
    with pytest.raises(ConfigurationError, match="available: a, b, prime, local"):
        choose(some, "c")


def test_a_key_from_the_environment_or_recorded():
    assert resolve(of("a", "[profiles.a]\nkey_env = 'MINE'\nteam = 't'"), {"MINE": "k1"}).api_key == "k1"
    config = resolve(of("a", "[profiles.a]\nkey = 'k2'\nbase_url = 'https://x.test/api/v1/'\nread_only = true"), {})
    assert (config.api_key, config.base_url, config.read_only) == ("k2", "https://x.test", True)
    assert resolve(of("a", "[profiles.a]\nteam = 't'"), {"PRIME_API_KEY": "k3"}).api_key == "k3"


def test_a_key_from_a_command():
    command = f"{sys.executable} -c \\\"print('k4'); print('a note')\\\""
    assert resolve(of("a", f'[profiles.a]\nkey_command = "{command}"'), {}).api_key == "k4"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("key_env = 'NO_SUCH'", "'NO_SUCH' returned none"),
        ("key_command = 'no-such-program x'", "cannot run key_command"),
        ("key_command = 'false'", "exit code 1"),
        ("key_command = 'true'", "'true' returned none"),
        ('key_command = "echo \'x"', "cannot run key_command"),
    ],
)
def test_a_key_that_cannot_be_had_says_why(line, words):
    with pytest.raises(ConfigurationError, match=words):
        resolve(of("a", f"[profiles.a]\n{line}"), {})


def test_a_command_that_does_not_end(monkeypatch):
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.05)
    with pytest.raises(ConfigurationError, match=r"timed out after 0\.05 s"):
        resolve(of("a", "[profiles.a]\nkey_command = 'sleep 20'"), {})


def test_a_key_from_the_keyring(monkeypatch):
    class Errors:
        class KeyringError(Exception):
            pass

    class Ring:
        errors = Errors

        @staticmethod
        def get_password(service, user):
            return f"{service}|{user}"

    context = of("a", "[profiles.a]\nkey_keyring = 'sand/tui/me'")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"install sandtui\[keyring\]"):
        resolve(context, {})
    monkeypatch.setitem(sys.modules, "keyring", Ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", Errors)
    assert resolve(context, {}).api_key == "sand/tui|me"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[profiles.a]\nkey_env='A'\nkey='hunter2'", r"line 1: profiles\.a: key_env and key cannot be combined"),
        ("[profiles.a]\nlocal=true\nteam='t'", "remove base_url"),
        ("[profiles.a]\nbase_url='ftp://x'", r"line 2: profiles\.a\.base_url"),
        ("[profiles.a]\nkey_keyring='x'", "SERVICE/USER"),
        ("[profiles.local]\nread_only=true", "not a valid name"),
        ("[profiles.a]\ncolour='red'", r"line 2: profiles\.a\.colour: unknown key"),
        ("[keys]\nx = 1", r"line 2: keys\.x"),
    ],
)
def test_a_profile_that_cannot_be_says_why_and_never_shows_the_key(text, words):
    with pytest.raises(SettingsError, match=words) as caught:
        settings(text)
    assert "hunter2" not in str(caught.value)


def test_a_key_is_not_in_what_is_printed():
    assert "hunter2" not in repr(of("a", "[profiles.a]\nkey = 'hunter2'"))


@pytest.mark.parametrize(
    "url", ["http://x.test", "http://10.0.0.1:8000", "http://127.0.0.1.x.test", "http://[2001:db8::1]"]
)
def test_a_key_goes_nowhere_without_encryption_unless_that_was_said(url):
    env = {"PRIME_API_KEY": "k", "PRIME_API_BASE_URL": url}
    with pytest.raises(ConfigurationError, match="SANDTUI_ALLOW_HTTP=1"):
        resolve(PRIME, env)
    assert resolve(PRIME, env | {"SANDTUI_ALLOW_HTTP": "1"}).base_url == url
    with pytest.raises(ConfigurationError, match="allow_http = true"):
        resolve(of("a", f"[profiles.a]\nkey = 'k'\nbase_url = '{url}'"), {})
    assert resolve(of("a", f"[profiles.a]\nkey = 'k'\nbase_url = '{url}'\nallow_http = true"), {}).base_url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000", "https://x.test"])
def test_local_and_encrypted_addresses_need_no_confirmation(url):
    assert resolve(PRIME, {"PRIME_API_KEY": "k", "PRIME_API_BASE_URL": url}).base_url == url
