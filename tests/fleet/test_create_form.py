import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.create_form import DEFAULTS, read_form
from sandtui.fleet.form_values import minutes

GOOD = dict(DEFAULTS)


def test_the_defaults_make_a_sandbox():
    result = read_form(GOOD)
    assert not result.problems
    assert result.request.docker_image == "python:3.11-slim"
    assert result.request.timeout_minutes == 60
    assert result.request.network_access is True


def test_every_field_arrives():
    result = read_form(
        GOOD
        | {
            "name": " demo ",
            "start_command": "python serve.py",
            "labels": "a b a",
            "cpu_cores": "0,5",
            "idle_timeout_minutes": "30m",
            "environment_vars": "A=1 B='two words'",
            "secrets": "KEY=hunter2",
            "network": "blocked",
        }
    )
    request = result.request
    assert (request.name, request.start_command, request.labels) == ("demo", "python serve.py", ["a", "b"])
    assert (request.cpu_cores, request.idle_timeout_minutes) == (0.5, 30)
    assert request.environment_vars == {"A": "1", "B": "two words"}
    assert request.secrets["KEY"].get_secret_value() == "hunter2"
    assert request.network_access is False
    assert "hunter2" not in repr(request)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "a name is needed"),
        ("name", "x" * 101, "100 at most"),
        ("docker_image", "", "image is needed"),
        ("docker_image", "a b", "no blanks"),
        ("cpu_cores", "0", "0.1 to 16"),
        ("cpu_cores", "many", "a number, 0.1 to 16"),
        ("cpu_cores", "nan", "0.1 to 16"),
        ("memory_gb", "65", "0.1 to 64"),
        ("disk_size_gb", "1001", "0.1 to 1000"),
        ("timeout_minutes", "", "lifetime is needed"),
        ("timeout_minutes", "0", "1m to 24h"),
        ("timeout_minutes", "25h", "1m to 24h"),
        ("timeout_minutes", "soon", "90m, 24h"),
        ("idle_timeout_minutes", "2h", "at most the lifetime (60m)"),
        ("environment_vars", "A", "not KEY=value"),
        ("environment_vars", "1A=2", "not starting with a digit"),
        ("environment_vars", "A='x", "quote is missing"),
        ("secrets", "B", "not KEY=value"),
        ("secrets", "B=@env:NO_SUCH_NAME", "NO_SUCH_NAME"),
        ("secrets", "B=@file:/no/such/file", "can't be read"),
        ("environment_vars", "@/no/such/file", "can't be read"),
        ("kind", "pod", "container or vm"),
        ("network", "closed", "open, blocked"),
        ("network", "allow", "which hosts"),
        ("network", "allow pypi.org", "need a vm"),
        ("gpu_count", "9", "0 to 8"),
        ("gpu_type", "H100_80GB", "how many"),
    ],
)
def test_each_rule_has_its_words(field, value, words):
    result = read_form(GOOD | {field: value})
    assert result.request is None
    assert words in " ".join(result.problems.values())
    assert field in result.problems or field == "gpu_type"


def test_a_wrong_secret_is_not_repeated_in_the_words():
    assert "hunter2" not in read_form(GOOD | {"secrets": "hunter2"}).problems["secrets"]


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90m", 90), ("24h", 1440), ("1d", 1440), ("1h 30m", 90)])
def test_durations(text, value):
    assert minutes(text) == value


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=120)))
def test_any_text_gives_a_request_or_words_for_known_fields(values):
    result = read_form(GOOD | values)
    assert (result.request is None) == bool(result.problems)
    assert set(result.problems) <= set(GOOD)


def test_a_vm_takes_lists_of_hosts_and_gpus():
    values = {"kind": "vm", "network": "allow pypi.org *.example.com", "gpu_count": "2", "gpu_type": "H100_80GB"}
    request = read_form(GOOD | values).request
    assert (request.vm, request.network_allowlist, request.gpu_count) == (True, ["pypi.org", "*.example.com"], 2)


def test_values_are_taken_from_where_they_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN_HERE", "from-env")
    (tmp_path / "key").write_text("from-file\n")
    (tmp_path / ".env").write_text("# comment\nexport A=1\nB='two words'\nC=3 # three\n")
    values = {"secrets": f"T=@env:TOKEN_HERE K=@file:{tmp_path}/key", "environment_vars": f"@{tmp_path}/.env D=4"}
    request = read_form(GOOD | values).request
    assert {key: value.get_secret_value() for key, value in request.secrets.items()} == {
        "T": "from-env",
        "K": "from-file",
    }
    assert request.environment_vars == {"A": "1", "B": "two words", "C": "3", "D": "4"}
