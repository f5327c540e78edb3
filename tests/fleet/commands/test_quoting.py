"""Every shell line that is built from a name: names may hold anything, and are never more than names."""

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import sandtui
from sandtui.client import shell_words
from sandtui.client.flows.jobs import launch_script, new_job, status_script
from sandtui.client.models.jobs import BackgroundJob
from sandtui.client.ssh import command_line
from sandtui.fleet.commands.line import completion
from sandtui.fleet.commands.line import shell_state as carry
from sandtui.fleet.commands.line.shell_state import Carried
from sandtui.fleet.files.names import encode
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import ShellArguments
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk_plan import make_plan
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.verbs import work_of
from sandtui.fleet.jobs.command_text import command_of
from sandtui.fleet.transfers.leftovers import remove_in_sandbox
from tests.fleet.jobs.job_shells import board_of
from tests.sources import parsed

HOSTILE = [
    "my data",
    "; touch owned;",
    "$(touch owned)",
    "`touch owned`",
    "it's",
    'say "x"',
    "-",
    "--",
    "-rf",
    "-e",
    "two\nlines",
    "ends\n",
    "~",
    "a&touch owned&",
    "*",
    "\\",
    "$HOME",
    "größe-日本",
]
NOT_TEXT = ["caf\udce9", "-\udcff x", "a\udce9;touch owned\n"]
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


def argv(shell):
    return ["busybox", "sh"] if shell == "busybox" else [shell]


def run(shell, script, folder, **variables):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CDPATH": str(folder / "elsewhere"), **variables}
    return subprocess.run([*argv(shell), "-c", script], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(params=SHELLS)
def shell(request):
    return request.param


@pytest.fixture(params=HOSTILE)
def place(request, tmp_path):
    """A directory of that name, relative to the one where the command runs; another one would be found by CDPATH."""
    for folder in (tmp_path / request.param, tmp_path / "elsewhere" / request.param):
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / request.param / "here").touch()
    return request.param


@pytest.mark.parametrize("absolute", [False, True])
def test_a_command_over_ssh_begins_in_its_directory(shell, place, absolute, tmp_path):
    where = str(tmp_path / place) if absolute else place
    done = run(shell, command_line("ls", where, {"A": place}), tmp_path)
    assert (done.stdout, done.stderr) == ("here\n", "")
    assert run(shell, command_line('printf %s "$A"', None, {"A": place}), tmp_path).stdout == place
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("absolute", [False, True])
def test_a_job_begins_in_its_directory(shell, place, absolute, tmp_path):
    job = BackgroundJob.of("sbx", new_job("sbx").job_id)
    where = str(tmp_path / place) if absolute else place
    script = launch_script(job, 'ls; printf %s "$A"', where, {"A": place})
    private = (
        script.replace("/tmp/job_", f"{tmp_path}/job_").replace("nohup setsid", "").replace("nohup", "") + "; wait"
    )
    run(shell, private, tmp_path)
    log = tmp_path / f"job_{job.job_id}.stdout.log"
    assert log.read_text() == f"here\n{place}"
    assert not list(tmp_path.rglob("owned"))
    status = run(shell, status_script([job]).replace("/tmp/", f"{tmp_path}/"), tmp_path)
    assert status.stdout == f"{job.job_id} 0\n"
    assert command_of(f"sh\0-c\0{script_of(job, where, place)}", job.job_id) == "ls -l"


def script_of(job, where, value):
    """The text of the shell that runs the job, as its command line tells it."""
    given = launch_script(job, "ls -l", where, {"A": value}).partition("; J=")[2].partition("; if command")[0]
    return subprocess.run(["sh", "-c", f'J={given}; printf %s "$J"'], capture_output=True, text=True).stdout


def test_what_a_console_carries_stays_a_name(shell, place, tmp_path):
    token = "f" * 32
    wanted = str(tmp_path / place)
    script = carry.recording("ls; pwd", Carried(wanted), token).replace("/tmp/.", f"{tmp_path}/.")
    assert run(shell, script, tmp_path).stdout == f"here\n{wanted}\n"
    shutil.rmtree(tmp_path / place)
    gone = run(shell, script, tmp_path)
    assert gone.stderr == f"sandtui: no such directory: {wanted}\n"
    assert not list(tmp_path.rglob("owned"))


def test_completion_looks_where_it_was_typed(shell, place, tmp_path):
    word = completion.CompletionWord(f"{place}/he")
    assert run(shell, completion.listing_command(word), tmp_path).stdout == "here\0"
    home = completion.CompletionWord(f"{place}/he", home=True)
    assert run(shell, completion.listing_command(home), tmp_path).stdout == "here\0"
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("name", [*HOSTILE, *NOT_TEXT])
def test_a_name_is_an_operand_whatever_it_begins_with(shell, name, tmp_path):
    Path(os.fsdecode(encode(str(tmp_path / name)))).write_text("x")
    words = ShellArguments()
    word = words.add(name)
    done = run(shell, f"{words.preamble}cat {word}; wc -c < {word}; rm {word}", tmp_path)
    assert (done.stdout.split(), done.stderr) == (["x1"], "")
    assert list(tmp_path.iterdir()) == []


class Here:
    """A sandbox that is this machine."""

    async def execute_command(self, sandbox_id, command, *, timeout=None):
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)

        class Reply:
            stdout, stderr, exit_code = done.stdout, done.stderr, done.returncode

        return Reply()


@pytest.mark.parametrize("name", [*HOSTILE, *NOT_TEXT])
async def test_the_files_of_a_sandbox_by_hostile_names(name, tmp_path):
    side, folder = SandboxFileSystem(Here(), "sbx"), str(tmp_path)
    there = f"{folder}/{name}"
    await side.make_folders([f"{there}/in"])
    Path(os.fsdecode(encode(there)), "file").write_text("abc")
    assert [entry.name for entry in (await side.read_folder(folder)).entries] == [name]
    assert {item.path for item in (await side.walk(folder))[0]} == {name, f"{name}/in", f"{name}/file"}
    assert (await side.walk(folder, [name]))[0]
    assert (await side.measure(there)).size == 3
    await side.set_permissions([f"{there}/file"], 0o600)
    await side.rename(f"{there}/file", "-new name")
    assert (await side.stat(f"{there}/-new name")).size == 3
    await remove_in_sandbox(side, there, "abc")
    await side.remove([there])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [*HOSTILE, ""])
async def test_a_job_in_several_sandboxes_is_given_its_directory_apart_from_its_command(folder):
    asked = []

    class Client:
        async def start_background_job(self, sandbox_id, command, working_dir=None):
            asked.append((command, working_dir))
            return new_job(sandbox_id)

    board = board_of(Client(), sandboxes=2)
    plan = make_plan(plans.JOB, list(board.store), value="make", folder=folder)
    work = work_of(plan, board.client, board.store, History(board.store, board.clock), board)
    outcomes = await work([row.id for row in plan.rows])
    assert all(outcome.done for outcome in outcomes.values())
    assert asked == [("make", folder or None)] * 2
    assert {(job.command, job.working_dir) for job in board.jobs.values()} == {("make", folder)}


def test_quoting_is_done_in_one_place():
    """``shlex.quote`` for a shell stands in one module; the others here write a form's own syntax, or split."""
    root = Path(sandtui.__file__).parent
    may = {
        "cli/create.py",
        "client/shell_words.py",
        "fleet/creation/values.py",
        "ui/creation/pair_rows.py",
        "fleet/fields.py",
        "local/agent/usr_local.py",
        "local/commands.py",
        "local/drivers/process.py",
        "local/drivers/simulated.py",
    }
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            called = isinstance(node, ast.Attribute) and node.attr in {"quote", "join"}
            if called and isinstance(node.value, ast.Name) and node.value.id == "shlex":
                found.add(str(path.relative_to(root)))
    assert found <= may
    assert shell_words.line(["a b", "$x"]) == "'a b' '$x'"
