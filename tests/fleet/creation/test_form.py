import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.fleet.creation.choices import FormChoices
from sandtui.fleet.creation.form import DEFAULTS, read_form
from sandtui.fleet.creation.network_entries import entry_problem
from sandtui.fleet.creation.values import minutes, only_references, only_values
from sandtui.fleet.inventory.store import FleetStore
from tests.fleet.factory import NOW, sandbox

GOOD = dict(DEFAULTS)


def test_the_defaults_make_a_sandbox():
    result = read_form(GOOD)
    assert not result.problems
    assert result.request.docker_image == "python:3.11-slim"
    assert result.request.timeout_minutes == 60
    assert result.request.network_access is True


def test_every_field_of_the_form_is_in_the_request():
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
        ("name", "", "a name is required"),
        ("name", "x" * 101, "the maximum is 100"),
        ("docker_image", "", "image is required"),
        ("docker_image", "a b", "can't contain spaces"),
        ("cpu_cores", "0", "0.1 to 16"),
        ("cpu_cores", "many", "not a number: must be 0.1 to 16"),
        ("cpu_cores", "nan", "0.1 to 16"),
        ("memory_gb", "65", "0.1 to 64"),
        ("disk_size_gb", "1001", "0.1 to 1000"),
        ("timeout_minutes", "", "lifetime is required"),
        ("timeout_minutes", "0", "1m to 24h"),
        ("timeout_minutes", "25h", "1m to 24h"),
        ("timeout_minutes", "soon", "90m, 24h"),
        ("idle_timeout_minutes", "2h", "at most the lifetime (60m)"),
        ("environment_vars", "A", "not KEY=value"),
        ("environment_vars", "1A=2", "can't start with a digit"),
        ("environment_vars", "A='x", "quote is not closed"),
        ("secrets", "B", "not KEY=value"),
        ("secrets", "B=@env:NO_SUCH_NAME", "NO_SUCH_NAME"),
        ("secrets", "B=@file:/no/such/file", "can't read"),
        ("secrets", "B=@file:~no-such-user/x", "can't read"),
        ("environment_vars", "@~no-such-user/.env", "can't read"),
        ("environment_vars", "@/no/such/file", "can't read"),
        ("kind", "pod", "container or vm"),
        ("network", "closed", "open, blocked"),
        ("network", "allow", "at least one host"),
        ("network", "allow pypi.org", "need kind vm"),
        ("network", "allow https://pypi.org", "without a scheme"),
        ("network", "allow user@pypi.org", "without user or query"),
        ("network", "allow pypi.org?x", "without user or query"),
        ("network", "allow pypi.org/simple", "without a path"),
        ("network", "allow ::1", "IPv6"),
        ("network", "allow [::1]", "IPv6"),
        ("network", "deny *", "use open or blocked"),
        ("network", "allow a.*.org", "only as the first label"),
        ("network", "allow a..org", "between the dots is empty"),
        ("network", "allow -a.org", "not a host name"),
        ("network", "allow 10.0.0.0/33", "not an IPv4"),
        ("network", "allow 10.0.0.256", "not an IPv4"),
        ("network", "allow 10.0.0.1:0", "ports are 1 to 65535"),
        ("network", "allow 10.0.0.1:99999", "ports are 1 to 65535"),
        ("network", "allow 10.0.0.1:90-80", "the lower port comes first"),
        ("network", "allow pypi.org:22", "only port 80 or 443"),
        ("network", "allow pypi.org:80-443", "only port 80 or 443"),
        ("network", "allow a.org deny b.org", "not both"),
        ("network", "allow " + " ".join(f"h{n}.org" for n in range(1025)), "the maximum is 1024"),
        ("start_command", "a\0b", "NUL"),
        ("environment_vars", "A=a\0b", "NUL"),
        ("secrets", "A=a\0b", "NUL"),
        ("idle_timeout_minutes", "0", "1m to 24h"),
        ("idle_timeout_minutes", "25h", "1m to 24h"),
        ("gpu_count", "2", "required with GPUs"),
        ("gpu_count", "9", "0 to 8"),
        ("gpu_type", "H100_80GB", "must be at least 1"),
    ],
)
def test_each_rule_has_its_words(field, value, words):
    result = read_form(GOOD | {field: value})
    assert result.request is None
    assert words in " ".join(result.problems.values())
    assert field in result.problems or field in {"gpu_type", "gpu_count"}


def test_a_wrong_secret_is_not_repeated_in_the_words():
    assert "hunter2" not in read_form(GOOD | {"secrets": "hunter2"}).problems["secrets"]


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90m", 90), ("24h", 1440), ("1d", 1440), ("1h 30m", 90)])
def test_durations_with_units_become_minutes(text, value):
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


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("A = 1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=x#y # why", {"A": "x#y"}),
        ("A='$HOME #1' # why", {"A": "$HOME #1"}),
        ('A="two\\nlines"', {"A": "two\nlines"}),
        ('KEY="-----BEGIN-----\nabc\n-----END-----"\nB=2', {"KEY": "-----BEGIN-----\nabc\n-----END-----", "B": "2"}),
        ("A=${B}\r\nB=2\r\n", {"A": "${B}", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
    ],
)
def test_how_an_env_file_is_read(tmp_path, line, variables):
    (tmp_path / ".env").write_bytes(line.encode())
    request = read_form(GOOD | {"environment_vars": f"@{tmp_path}/.env"}).request
    assert request.environment_vars == variables


@pytest.mark.parametrize("line", ["secret words", "secret", "A secret=1", "=secret"])
def test_a_line_of_an_env_file_that_is_no_variable_is_refused_without_being_shown(tmp_path, line):
    (tmp_path / ".env").write_text(f"A=1\n{line}\nB=2\n")
    form = read_form(GOOD | {"environment_vars": f"@{tmp_path}/.env"})
    assert form.request is None
    problem = form.problems["environment_vars"]
    assert "2" in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    "entry", ["pypi.org", "*.example.com", "10.0.0.1", "10.0.0.0/8", "10.0.0.1:22", "10.0.0.0/8:1-65535", "a.org:443"]
)
def test_what_may_stand_in_a_list_of_hosts(entry):
    request = read_form(GOOD | {"kind": "vm", "network": f"deny {entry}"}).request
    assert request.network_denylist == [entry]


@given(st.text(alphabet="ab.*:/-0123456789@[] ", max_size=30))
def test_any_entry_is_right_or_has_words(text):
    assert isinstance(entry_problem(text), str)


def test_a_vm_runs_words_without_a_shell():
    vm = GOOD | {"kind": "vm"}
    command = read_form(vm | {"start_command": "python -c 'print(1)'"}).request.start_command
    assert (command.executable, command.args) == ("python", ["-c", "print(1)"])
    assert read_form(vm).request.start_command is None
    assert "not closed" in read_form(vm | {"start_command": "echo 'x"}).problems["start_command"]
    assert "program is empty" in read_form(vm | {"start_command": "'' x"}).problems["start_command"]


def test_only_typed_secrets_would_be_lost():
    text = "A=hunter2 B=@env:TOKEN @/x/.env C='two words'"
    assert only_values(text) == "A=hunter2 'C=two words'"
    assert only_references(text) == "B=@env:TOKEN @/x/.env"
    assert only_values("A='x") == only_references("A='x") == ""


def test_what_is_offered_begins_with_the_word_then_holds_it():
    store = FleetStore(ManualClock(NOW))
    store.apply(
        [
            sandbox(1, docker_image="acme/sim:9", labels=["rl", "launch=1"], region="us"),
            sandbox(2, docker_image="acme/sim:9", labels=["rl", "run=1"]),
            sandbox(3, docker_image="sim:1", labels=[]),
        ]
    )
    choices = FormChoices(store, ["simple:1", "ubuntu:24.04"])
    choices.add_images(["used:1", "sim:1"])
    assert choices.of("docker_image", "sim") == ["sim:1", "simple:1", "acme/sim:9"]
    assert choices.of("docker_image", "")[:3] == ["used:1", "sim:1", "acme/sim:9"]
    assert choices.of("labels", "") == ["rl", "run=1"]
    assert choices.of("region", "") == ["us"]
    assert choices.of("name", "x") == []
    choices.add("docker_image", ["built:1", "sim:1"])
    assert choices.of("docker_image", "")[-3:] == ["built:1", "simple:1", "ubuntu:24.04"]
    choices.add("volumes", ["data", "models"])
    assert choices.of("volumes", "da") == ["data:/data", "data:/data:ro"]
    assert choices.of("volumes", "data:/mnt") == ["data:/mnt", "data:/mnt:ro"]
    assert choices.of("volumes", "data:/mnt:r") == ["data:/mnt:ro"]
    assert choices.of("volumes", "other:/mnt") == []
