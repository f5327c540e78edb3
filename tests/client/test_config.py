import json

import pytest

from sandtui.client import Config, ConfigurationError
from sandtui.client.config import DEFAULT_BASE_URL


def write(home, **values):
    folder = home / ".prime"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def test_the_defaults_without_files_and_environment(clean_home):
    config = Config.load({}, clean_home)
    assert (config.api_key, config.base_url, config.team_id) == ("", DEFAULT_BASE_URL, None)


def test_the_environment_beats_the_file(clean_home):
    write(clean_home, api_key="file", base_url="http://file.test", team_id="team-file")
    config = Config.load({"PRIME_API_KEY": "env", "PRIME_API_BASE_URL": "http://env.test/api/v1/"}, clean_home)
    assert (config.api_key, config.base_url, config.team_id) == ("env", "http://env.test", "team-file")


def test_an_empty_key_is_unset_and_an_empty_team_means_personal(clean_home):
    write(clean_home, api_key="file", team_id="team-file")
    config = Config.load({"PRIME_API_KEY": "", "PRIME_TEAM_ID": ""}, clean_home)
    assert (config.api_key, config.team_id) == ("file", None)


@pytest.mark.parametrize("text", ["{broken", "[]", "null", ""])
def test_a_broken_file_counts_as_empty(clean_home, text):
    write(clean_home)
    (clean_home / ".prime" / "config.json").write_text(text)
    assert Config.load({}, clean_home).api_key == ""


def test_a_context_is_laid_over_the_file(clean_home):
    folder = write(clean_home, api_key="file", team_id="team-file")
    (folder / "environments").mkdir()
    (folder / "environments" / "staging.json").write_text('{"base_url": "http://staging.test", "api_key": "s"}')
    config = Config.load({"PRIME_CONTEXT": "staging"}, clean_home)
    assert (config.base_url, config.api_key, config.team_id) == ("http://staging.test", "s", "team-file")


def test_production_resets_address_and_team(clean_home):
    write(clean_home, api_key="file", team_id="team-file", base_url="http://file.test")
    config = Config.load({"PRIME_CONTEXT": "Production"}, clean_home)
    assert (config.base_url, config.api_key, config.team_id) == (DEFAULT_BASE_URL, "file", None)


def test_the_web_page_belongs_to_the_address(clean_home):
    assert Config.load({}, clean_home).frontend_url == "https://app.primeintellect.ai"
    write(clean_home, base_url="http://file.test", frontend_url="http://page.test/")
    assert Config.load({}, clean_home).frontend_url == "http://page.test"
    local = {"PRIME_API_BASE_URL": "http://127.0.0.1:1"}
    assert Config.load(local, clean_home).frontend_url is None
    assert Config.load({**local, "PRIME_FRONTEND_URL": "https://p.test"}, clean_home).frontend_url == "https://p.test"
    assert Config.load({}, clean_home).with_changes(base_url="http://x.test").frontend_url is None
    assert Config(frontend_url="javascript:alert(1)").frontend_url is None


@pytest.mark.parametrize("name", ["missing", "../etc", "a b"])
def test_an_unusable_context_is_a_clear_error(clean_home, name):
    with pytest.raises(ConfigurationError, match="PRIME_CONTEXT"):
        Config.load({"PRIME_CONTEXT": name}, clean_home)


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://x", "http://", "http://[", "http://x:notaport"])
def test_an_unusable_address_is_a_clear_error(clean_home, url):
    with pytest.raises(ConfigurationError, match="PRIME_API_BASE_URL"):
        Config.load({"PRIME_API_BASE_URL": url}, clean_home)


def test_the_key_is_not_shown():
    assert "canary" not in repr(Config(api_key="canary"))
