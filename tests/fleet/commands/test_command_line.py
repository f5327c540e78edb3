import re
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.commands.line.completion import CompletionWord, columns, complete, listing_command, word_before
from sandtui.fleet.commands.line.continuation import goes_on
from sandtui.fleet.commands.line.redaction import HIDDEN, redact, redact_for_log
from sandtui.fleet.commands.line.shell_state import (
    Carried,
    StateLostError,
    carry_on,
    forgetting,
    may_change,
    plain,
    reading,
    recording,
)
from sandtui.fleet.commands.line.timeouts import next_timeout

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
TOKEN = "0123456789abcdef"


def shell(name, text, **options):
    command = [name, "sh", "-c", text] if name == "busybox" else [name, "-c", text]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, **options)


# Continuation


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("echo a", False),
        ("echo a \\", True),
        ("echo a \\\\", False),
        ("echo 'a", True),
        ("echo 'a\\'", False),
        ('echo "a\\"', True),
        ('echo "a\' b"', False),
        ("echo it # isn't", False),
        ("echo a#'b", True),
        ("echo \\\nb", False),
        ("python -c '\nprint(1)", True),
        ("python -c '\nprint(1)'", False),
        ("", False),
    ],
)
def test_a_command_goes_on_after_a_backslash_or_inside_quotes(text, more):
    assert goes_on(text) is more


@given(st.text(alphabet="ab '\"\\#\n", max_size=12))
def test_continuation_is_what_the_shell_thinks(text):
    words = True
    try:
        # A backslash that a backslash stands before joins no lines.
        joined = re.sub(r"\\(.)", lambda pair: "" if pair[1] == "\n" else pair[0], text, flags=re.DOTALL)
        shlex.split(joined, comments=False)
    except ValueError:
        words = False
    if "#" not in text and not goes_on(text):
        assert words, "shlex finds no end of a quote either"


# Secrets


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("ls -la", "ls -la"),
        ("export API_TOKEN=abc; ls", f"export API_TOKEN={HIDDEN}; ls"),
        ("DB_PASSWORD='a b' psql", f"DB_PASSWORD={HIDDEN} psql"),
        ('aws_secret_access_key="x y"z run', f"aws_secret_access_key={HIDDEN} run"),
        ("X=1 MYKEY=$(cat k) run", f"X=1 MYKEY={HIDDEN} run"),
        ("curl -H 'Authorization: Bearer abc.def' u", f"curl -H 'Authorization: {HIDDEN}' u"),
        ("curl -H 'X-Api-Key: abc' u", f"curl -H 'X-Api-Key: {HIDDEN}' u"),
        ("git clone https://me:pw@host/x", f"git clone https://me:{HIDDEN}@host/x"),
        ("tool --password hunter2 -v", f"tool --password {HIDDEN} -v"),
        ("tool --auth-token=hunter2 -v", f"tool --auth-token={HIDDEN} -v"),
        ("tool --no-password --keep x", "tool --no-password --keep x"),
        ("echo '-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----' > k", f"echo '{HIDDEN}' > k"),
        ("PATH=/bin ls", "PATH=/bin ls"),
        ("passwd root", "passwd root"),
        ("monkey --file x", "monkey --file x"),
        (f"{'a' * 200}_TOKEN=x", f"{'a' * 200}_TOKEN={HIDDEN}"),
        (" ls", None),
        ("\tls", None),
        ("  ", None),
    ],
)
def test_what_is_kept_of_a_command(command, kept):
    assert redact(command) == kept


SECRET_NAMES = st.sampled_from(["PASSWORD", "api_key", "HF_TOKEN", "MySecret", "CREDENTIALS", "private-key", "X_AUTH"])


@given(SECRET_NAMES, st.text(alphabet="canry0123456789", min_size=6, max_size=12), st.sampled_from("'\"_"))
def test_no_value_of_a_secret_name_is_kept(name, value, quote):
    value = f"{value}{value}"
    shown = value if quote == "_" else f"{quote}{value}{quote}"
    for text in (
        f"{name}={shown} run",
        f"run --{name}={shown}",
        f"run --{name} {shown} -v",
        f"x; export {name}={shown}",
    ):
        assert value not in redact(text)
    assert "not recorded" in redact_for_log(f" {name}={shown}")


@pytest.mark.parametrize(
    "part", ["x", "pass", "a=", "://a", "-----BEGIN A", "key:", "$(", "--key ", "\n", "'", '"\\', "a=="]
)
def test_a_pasted_megabyte_is_read_at_once(part):
    text = part * (200_000 // len(part))
    redact(text)
    goes_on(text)
    may_change(text)
    word_before(text)


def test_a_masked_command_does_not_run_by_mistake():
    for name in SHELLS:
        assert shell(name, redact("export TOKEN=abc")).returncode != 0


# What is carried


@pytest.mark.parametrize(
    ("command", "may"),
    [
        ("ls -la", False),
        ("cd /tmp", True),
        ("echo cd /tmp", False),
        ("ls && cd x", True),
        ("X=1 export Y=2", True),
        ("if true; then cd /; fi", True),
        ("(cd /tmp; ls)", True),
        (". ./env", True),
        ("./run", False),
        ("echo $HOME", False),
        ("$CMD x", True),
        ("python -m setup", False),
        ("grep export x", False),
        ("export\tA=1", True),
        ("a=1\nunset a", True),
        ("settle", False),
    ],
)
def test_what_may_change_the_shell(command, may):
    assert may_change(command) is may


def step(name, command, carried, tmp_path):
    """Run a command as the console does; return its result and what is carried then."""
    script = recording(command, carried, TOKEN)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIVEN": "1", **carried.exported}
    result = shell(name, script, cwd=tmp_path, env=environment)
    return result, carry_on(carried, shell(name, reading(TOKEN)).stdout)


@pytest.mark.parametrize("name", SHELLS)
def test_directory_and_variables_are_carried(name, tmp_path):
    (tmp_path / "a b").mkdir()
    result, carried = step(name, "cd 'a b'; export X='1\n2'; unset GIVEN; exit 7", Carried(), tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (7, "", "")
    assert carried == Carried(str(tmp_path / "a b"), {"X": "1\n2"}, frozenset({"GIVEN"}))
    assert carried.variables == "+1 -1"
    result, after = step(name, 'pwd; echo "$X${GIVEN-none}"; unset X; export GIVEN=2', carried, tmp_path)
    assert result.stdout == f"{tmp_path}/a b\n1\n2none\n"
    assert after == Carried(str(tmp_path / "a b"), {"GIVEN": "2"}, frozenset({"X"}))
    assert not shell(name, f"ls -d /tmp/.sandtui-{TOKEN}").stdout, "nothing is left in the sandbox"
    assert shell(name, plain("echo ${GIVEN-none}", carried), env={"GIVEN": "1"}).stdout == "none\n"


@pytest.mark.parametrize("name", SHELLS)
def test_the_exit_code_and_the_output_are_the_commands_own(name, tmp_path):
    for command, code in (("cd / && false", 1), ("cd /\nsh -c 'exit 200'", 200), ("trap 'echo bye' EXIT; cd /", 0)):
        result, carried = step(name, command, Carried(), tmp_path)
        assert result.returncode == code
        assert carried.directory == "/"


@pytest.mark.parametrize("name", SHELLS)
def test_what_replaces_the_shell_keeps_nothing(name, tmp_path):
    with pytest.raises(StateLostError, match="state was not saved"):
        step(name, "cd /; exec true", Carried(), tmp_path)
    result, carried = step(name, "pwd", Carried(str(tmp_path / "gone")), tmp_path)
    assert "gone" in result.stderr and carried.directory == str(tmp_path)


def test_output_cannot_forge_what_is_carried(tmp_path):
    forged = "Lw==\n\n\n"
    result, carried = step("sh", f"cd /tmp; printf '{forged}'; printf '{forged}' >&2", Carried(), tmp_path)
    assert (result.stdout, carried.directory) == (forged, "/tmp")


@given(st.text(max_size=60))
def test_whatever_the_sandbox_answers_causes_no_crash(text):
    try:
        carried = carry_on(Carried("/x"), text)
    except StateLostError:
        return
    assert carried.directory and "\0" not in carried.directory


def test_too_much_is_not_carried(tmp_path):
    with pytest.raises(StateLostError, match="exceed"):
        step("bash", "export BIG=$(head -c 70000 /dev/zero | tr '\\0' x)", Carried(), tmp_path)
    assert "rm -rf /tmp/.sandtui-" in forgetting(TOKEN)


# Completion


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ("", CompletionWord("")),
        ("ls ", CompletionWord("")),
        ("cat /etc/pa", CompletionWord("/etc/pa")),
        ("cat 'my fi", CompletionWord("my fi", "'")),
        ('cat "a b/c', CompletionWord("a b/c", '"')),
        ("cat my\\ fi", CompletionWord("my fi")),
        ("ls ~/wo", CompletionWord("wo", home=True)),
        ("ls '~/wo", CompletionWord("~/wo", "'")),
        ("OUT=/tmp/x", CompletionWord("/tmp/x")),
        ("a|cat<in", CompletionWord("in")),
        ("cat 'a'b", CompletionWord("ab")),
    ],
)
def test_the_word_before_the_cursor(before, word):
    assert word_before(before) == word


@pytest.fixture
def files(tmp_path):
    (tmp_path / "data one").mkdir()
    for name in ("data two", "it's", "plain.txt", ".hidden", "-dash", "new\nline", "es\x1bcape", "$HOME"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize(
    ("before", "insert"),
    [
        ("cat pl", "ain.txt "),
        ("cat da", "ta\\ "),
        ("cat 'data o", "ne/"),
        ("cat it", "\\'s "),
        ('cat "it', "'s\" "),
        ("cat .h", "idden "),
        ("cat -", "dash "),
        ("cat \\$", "HOME "),
        ("cat ~/pl", "ain.txt "),
        ("cat nothing", ""),
        ("cat ne", ""),
        ("cat es", ""),
        ("cat no/such", ""),
    ],
)
def test_a_path_is_completed(name, files, before, insert):
    word = word_before(before)
    output = shell(name, listing_command(word), cwd=files, env={"PATH": "/usr/bin:/bin", "HOME": str(files)}).stdout
    assert complete(word, output).insert == insert


@given(st.text(alphabet="ab '\"\\$~/*[#;", max_size=10))
def test_what_is_inserted_reads_back_as_the_name(name):
    name = name.strip("/").replace("/", "")
    if not name or name != name.strip():
        return
    # Unlike a shell, shlex leaves the backslash before $ inside double quotes.
    for quote in ("", "'", '"') if "$" not in name else ("", "'"):
        word = CompletionWord("", quote)
        inserted = complete(word, f"{name}\0").insert
        assert shlex.split(f"{quote}{inserted}") == [name]


def test_names_fit_a_line():
    assert columns(["a", "b"], 80) == "a  b"
    line = columns([f"file-{number:03}" for number in range(100)], 60)
    assert len(line) <= 60 and line.endswith("more")


def test_the_timeout_key_cycles_through_the_timeouts():
    assert [next_timeout(60), next_timeout(300), next_timeout(900)] == [300, 900, 60]
