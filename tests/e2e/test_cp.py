"""``sandtui cp`` and ``sandtui sync`` against a real platform."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, SandboxFileDeniedError
from tests import commands
from tests.conftest import start_platform
from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import SANDTUI, environment


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


@pytest.fixture
async def boxes(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        made = []
        for name in ("cp-a", "cp-b"):
            request = CreateSandboxRequest(name=name, docker_image="python:3.11-slim", labels=["cp"])
            made.append((await client.create(request)).id)
        for box in made:
            await client.wait_for_creation(box)

        async def sh(command, box=0):
            reply = await client.execute_command(made[box], command)
            return reply.stdout

        yield sh
        await client.bulk_delete(sandbox_ids=made)


async def sandtui(env, *words, code=0):
    done = await asyncio.to_thread(commands.run, words, env=env)
    assert done.returncode == code, done.stderr
    return done


async def test_files_are_copied_from_a_script(remote, boxes, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    (tree / "sub dir" / "-x\n").write_text("hard")
    (tree / "one").write_text("1")
    quiet = await sandtui(remote, "cp", tree / "one", "cp-a:/workspace/")
    assert quiet.stdout == quiet.stderr == "", "silence is all there is without a terminal"
    assert await boxes("cat /workspace/one") == "1"
    refused = await sandtui(remote, "cp", tree, "cp-a:/workspace/", code=2)
    assert "use -r to copy it" in refused.stderr
    told = await sandtui(remote, "cp", "-r", "--json", "--query", "#cp", tree, ":/workspace/t")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert sorted((row["sandbox"], row["state"], row["files"]) for row in rows) == [
        ("cp-a", "done", 2),
        ("cp-b", "done", 2),
    ]
    assert await boxes("find /workspace/t -type f | wc -l", 1) == "3\n", "a line break in a name is one"
    await sandtui(remote, "cp", "--query", "#cp", ":t/one", tmp_path / "all")
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.glob("all/*/*")} == {"all/cp-a/one", "all/cp-b/one"}
    for words, message in (
        (("cp", "a", "b"), "neither side"),
        (("cp", "no-such:/x", "b"), "no sandbox named"),
        (("cp", "cp-a:/nothing", tmp_path), "no such file or directory"),
        (("cp", tree / "one", ":/x"), "needs --query"),
    ):
        assert message in (await sandtui(remote, *words, code=2)).stderr
    failed = await sandtui(remote, "cp", tree / "one", "cp-a:/proc/one", code=1)
    assert "/proc" in failed.stderr


async def test_a_bar_on_a_terminal_and_nothing_left_after_ctrl_c(remote, boxes, tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1_500_000_000)
    async with Terminal([*SANDTUI, "cp", str(tmp_path / "big"), "cp-a:/workspace/big"], remote) as terminal:
        await terminal.until(lambda text: "%" in text and "MB/s" in text and "left" in text)
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert await terminal.ended() == 130
    assert await boxes("ls -A /workspace") == ""


async def test_a_directory_is_kept_equal(remote, boxes, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for name, text in (("keep.py", "1"), ("skip.log", "2"), ("node/x", "3"), (".gitignore", "*.log\nnode/\n")):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    await boxes("mkdir -p /workspace/s/node; cd /workspace/s; echo old > keep.py; echo x > extra; echo y > own.log")
    words = ("sync", "--gitignore", here, "cp-a:/workspace/s")
    plan = await sandtui(remote, *words, "--dry-run", "--delete")
    assert plan.stdout.splitlines()[:3] == ["+ .gitignore", "~ keep.py", "- extra"]
    assert await boxes("cat /workspace/s/keep.py") == "old\n", "nothing was done"
    await sandtui(remote, *words, "--delete")
    assert await boxes("cd /workspace/s; find . -type f | sort") == "./.gitignore\n./keep.py\n./own.log\n"
    again = json.loads((await sandtui(remote, *words, "--dry-run", "--json")).stdout)
    assert (again["new"], again["changed"], again["same"]) == ([], [], 2)
    process = await asyncio.create_subprocess_exec(
        *SANDTUI, *map(str, words), "--watch", "--json", env=remote, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["files"] == 0
        (here / "saved.py").write_text("new")
        (here / "noise.log").write_text("new")
        row = json.loads(await process.stdout.readline())
        assert (row["state"], row["files"]) == ("done", 1)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert await boxes("cd /workspace/s; cat saved.py; ls noise.log 2>/dev/null") == "new"


async def piped(env, *words, data=b"", code=0):
    done = await asyncio.to_thread(commands.run, words, env=env, data=data, text=False)
    assert done.returncode == code, done.stderr
    return done


BYTES = bytes(range(256)) * 5000


async def test_a_dash_is_standard_input_or_output(remote, boxes, tmp_path):
    sent = await piped(remote, "cp", "-", "cp-a:/workspace/bytes", data=BYTES)
    assert (sent.stdout, sent.stderr) == (b"", b"")
    assert (await piped(remote, "cp", "cp-a:/workspace/bytes", "-")).stdout == BYTES
    await piped(remote, "cp", "-", "cp-a:/workspace/empty")
    assert (await piped(remote, "cp", "cp-a:/workspace/empty", "-")).stdout == b""
    await piped(remote, "cp", "--query", "#cp", "-", ":/workspace/all", data=b"to both")
    assert [await boxes("cat /workspace/all", box) for box in (0, 1)] == ["to both"] * 2
    (tmp_path / "-").write_text("a file of that name")
    process = subprocess.run([*SANDTUI, "cp", "./-", "cp-a:/workspace/dash"], env=remote, cwd=tmp_path, check=True)
    assert process.returncode == 0
    assert await boxes("cat /workspace/dash") == "a file of that name"
    for words, message in (
        (("-", "-"), b"only one side can be -"),
        (("-r", "cp-a:/workspace", "-"), b"-r cannot be combined with -"),
        (("-p", "-", "cp-a:/x"), b"-p cannot be combined with -"),
        (("--json", "cp-a:/workspace/all", "-"), b"--json cannot be combined with -"),
        (("--existing", "newer", "-", "cp-a:/x"), b"nothing to compare"),
        (("-", "cp-a:/workspace"), b"is a directory: write NAME:DIRECTORY/FILE"),
        (("-", "cp-a:/workspace/"), b"is a directory: write NAME:DIRECTORY/FILE"),
        (("cp-a:/workspace", "-"), b"is a directory"),
        (("cp-a:/nothing", "-"), b"no such file or directory"),
        (("--query", "#cp", ":/workspace/all", "-"), b"- is one file"),
        (("-", "here"), b"neither side"),
    ):
        refused = await piped(remote, "cp", *words, data=b"x", code=2)
        assert message in refused.stderr
        assert refused.stdout == b""
    assert not (tmp_path / "here").exists()
    refused = await piped(remote, "sync", "-", "cp-a:/workspace", code=2)
    assert b"use `sandtui cp` for standard input" in refused.stderr
    failed = await piped(remote, "cp", "-", "cp-a:/proc/nope", data=b"x", code=1)
    assert failed.stderr.startswith(b"sandtui: -: ")


async def test_a_reader_that_leaves_is_not_a_fault(remote, boxes):
    await boxes("yes | head -c 3000000 > /workspace/long")
    line = " ".join([*SANDTUI, "cp", "cp-a:/workspace/long", "-"])

    def work():
        shell = f"{line} | head -c 2; code=${{PIPESTATUS[0]}}; echo; echo $code"
        return subprocess.run(["bash", "-c", shell], env=remote, capture_output=True, text=True)

    done = await asyncio.to_thread(work)
    assert done.stdout == "y\n\n1\n"
    assert done.stderr == ""


async def test_escape_sequences_stay_out_of_a_terminal(remote, boxes):
    await boxes("printf 'plain text' > /workspace/text; printf '\\033[31mred' > /workspace/red")
    async with Terminal([*SANDTUI, "cp", "-q", "cp-a:/workspace/text", "-"], remote) as terminal:
        await terminal.until("plain text")
        assert await terminal.ended() == 0
    async with Terminal([*SANDTUI, "cp", "-q", "cp-a:/workspace/red", "-"], remote) as terminal:
        await terminal.until("redirect the output")
        assert await terminal.ended() == 2


async def test_many_are_asked_about(remote, boxes, tmp_path):
    (tmp_path / "f").write_text("f")
    for words in (("cp", "--query", "", tmp_path / "f", ":/workspace/f"), ("sync", "--query", "", tmp_path, ":/s")):
        refused = await sandtui(remote, *words, code=2)
        assert "running sandboxes match an empty query: add --yes or --all" in refused.stderr
    for words in (("--all",), ("--yes", "--query", ""), ("-y", "--query", " ")):
        await sandtui(remote, "cp", *words, tmp_path / "f", ":/workspace/f")
        assert [await boxes("cat /workspace/f; rm /workspace/f", box) for box in (0, 1)] == ["f"] * 2
    for given in (("--all",), ("--query", "#cp")):
        refused = await sandtui(remote, "cp", *given, tmp_path / "f", "cp-a:/workspace/f", code=2)
        assert "a side without a name" in refused.stderr
    line = [*SANDTUI, "cp", "-q", "--query", "", str(tmp_path / "f"), ":/workspace/f"]
    for typed, code, there in (("n", 2, ""), ("", 2, ""), ("y", 0, "f")):
        async with Terminal(line, remote) as terminal:
            await terminal.until("running sandboxes match an empty query: cp-")
            await terminal.until("[y/N]")
            await terminal.press(*typed, "enter")
            assert await terminal.ended() == code
        assert await boxes("cat /workspace/f 2>/dev/null") == there
    async with Terminal(line, remote) as terminal:
        await terminal.until("[y/N]")
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert await terminal.ended() == 130


async def test_what_went_wrong_is_reported_with_the_path_that_was_typed(remote, boxes, tmp_path):
    (tmp_path / "file").write_text("1")
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "x").write_text("1")
    await boxes("echo 1 > /workspace/a; mkdir -p /workspace/t/s; echo 1 > /workspace/t/s/x")
    for words, message in (
        (("cp-a:/workspace/a", "/proc/nope"), "/proc/nope can't be written: No such file or directory"),
        (("-r", "cp-a:/workspace/t", "/proc/nope"), "/proc/nope/s can't be created: No such file or directory"),
        (("cp-a:/workspace/a", "file/x"), "sandtui: file is not a directory"),
        (("nothing", "cp-a:/workspace/a"), "sandtui: nothing: no such file or directory"),
        (("file/x", "cp-a:/workspace/a"), "sandtui: file is not a directory"),
        (("./file", "cp-a:/proc/nope"), "sandtui: ./file: /proc/nope: No such file or directory"),
        (("file", "cp-a:/workspace/a/x"), "sandtui: file: /workspace/a/x: Not a directory"),
        (("-r", "tree", "cp-a:/proc/nope"), "/proc/nope"),
        (("cp-a:/workspace/a", "cp-b:/proc/nope"), "/proc/nope: No such file or directory"),
    ):
        done = await asyncio.to_thread(commands.run, ["cp", *words], env=remote, cwd=tmp_path)
        assert done.returncode in {1, 2}
        assert message in done.stderr
        assert ".part" not in done.stderr
        assert "Errno" not in done.stderr


@pytest.fixture
def plain(tmp_path):
    """A platform of plain processes, and the directory of its one sandbox."""
    process, platform = start_platform(tmp_path / "state", "--driver", "process")
    yield environment(tmp_path, PRIME_API_KEY=platform.api_key, PRIME_API_BASE_URL=platform.base_url)
    process.terminate()
    assert process.wait(timeout=30) == 0


async def test_plain_processes_say_why_a_file_cannot_be_put_somewhere(plain, tmp_path):
    """Uploads stay in the sandbox's directory there, while commands see the machine."""
    await sandtui(plain, "create", "python", "--set", "name=plain", "--wait")
    (tmp_path / "file").write_text("hello")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "x").write_text("1")
    for words, message in (
        ((tmp_path / "file", "plain:/proc/nope"), "/proc/nope: "),
        ((tmp_path / "file", f"plain:{tmp_path}/none/x"), f"{tmp_path}/none/x: "),
        ((tmp_path / "file", f"plain:{tmp_path}/new"), "use a path in its working directory"),
        (("-r", tmp_path / "tree", f"plain:{tmp_path}/copied"), "use a path in its working directory"),
    ):
        done = await sandtui(plain, "cp", *words, code=1)
        assert message in done.stderr
        assert "irectory" in done.stderr, "the reason, in the words of whatever shell there is"
        assert not any(each in done.stderr for each in ("another", ".part", "sh:", "Errno")), done.stderr
    assert not list(tmp_path.glob(".*.part"))
    await sandtui(plain, "cp", tmp_path / "file", "plain:here")
    await sandtui(plain, "cp", "plain:here", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "hello"
    shown = await sandtui(plain, "run", "plain", "--", "cat here")
    assert "hello" in shown.stdout


LINKS = {
    "to-file": "sub/file",
    "to-folder": "sub",
    "up": "../../../etc",
    "absolute": "/etc/passwd",
    "dangling": "no such\n///end\n",
    "-dash": "-target",
    "self": "self",
    "sub/back": "..",
}
"""Links by name, with what is written in them; no name leads anywhere that a copy may go."""


def linked_tree(root):
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").write_text("file")
    (root / "sub" / os.fsdecode(b"\xff")).write_text("bytes")
    for name, target in {**LINKS, os.fsdecode(b"\xfe"): os.fsdecode(b"-\xfd\n")}.items():
        (root / name).symlink_to(target)
    return links_under(root)


def links_under(root):
    return {str(path.relative_to(root)): read_link(path) for path in root.rglob("*") if path.is_symlink()}


def read_link(link):
    """Return what is written in a link: a path would fold it."""
    return os.readlink(link)  # noqa: PTH115


@pytest.mark.parametrize("command", [("cp", "-r"), ("cp", "-r", "-p"), ("sync",)])
async def test_links_are_links_on_every_way(remote, boxes, tmp_path, command):
    wanted = linked_tree(tmp_path / "tree")
    for source, target in (
        (tmp_path / "tree", "cp-a:/workspace/there"),
        ("cp-a:/workspace/there", "cp-b:/workspace/across"),
        ("cp-b:/workspace/across", tmp_path / "back"),
    ):
        done = await sandtui(remote, *command, source, target)
        assert done.stderr == ""
    assert links_under(tmp_path / "back") == wanted
    files = {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert {"sub/file", os.fsdecode(b"sub/\xff")} <= files
    assert await boxes("readlink /workspace/there/absolute; cat /workspace/there/to-file") == "/etc/passwd\nfile"
    # Once more: what is equal is left as it is, and a link that leads elsewhere by now is written anew.
    (tmp_path / "tree" / "to-file").unlink()
    (tmp_path / "tree" / "to-file").symlink_to("elsewhere")
    there = "cp-a:/workspace/there" if command == ("sync",) else "cp-a:/workspace/"
    await boxes("mv /workspace/there /workspace/tree" if command != ("sync",) else "true")
    row = json.loads((await sandtui(remote, *command, "--json", tmp_path / "tree", there)).stdout)
    assert row["links"] == (1 if command == ("sync",) else len(wanted))
    await boxes("mv /workspace/tree /workspace/there" if command != ("sync",) else "true")
    assert await boxes("readlink /workspace/there/to-file /workspace/there/up") == "elsewhere\n../../../etc\n"


async def test_what_is_not_a_file_is_named_and_has_a_code_of_its_own(remote, boxes, tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "file").write_text("x")
    os.mkfifo(tree / "deep" / "pipe")
    # The path of a socket has about a hundred characters at most.
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tree):
        listener.bind("sock")
    told = ["deep/pipe is a named pipe: skipped", "sock is a socket: skipped"]
    for words in (
        ("cp", "-r", tree, "cp-a:/workspace/c"),
        ("cp", "-r", "-q", "--json", "--query", "#cp", tree, ":/workspace/q"),
        ("sync", "--dry-run", tree, "cp-a:/workspace/s"),
        ("sync", tree, "cp-a:/workspace/s"),
        ("sync", tree, "cp-a:/workspace/s"),
    ):
        done = await sandtui(remote, *words, code=4)
        assert all(line in done.stderr for line in told), done.stderr
    assert await boxes("cat /workspace/c/file /workspace/s/file; ls /workspace/s/deep") == "xx"
    assert (
        await sandtui(remote, "sync", "--ignore", "pipe", "--ignore", "sock", tree, "cp-a:/workspace/s")
    ).stderr == ""
    await boxes("mkdir /workspace/o; cd /workspace/o; echo y > file; mkfifo pipe; ln -s pipe link")
    for target in (tmp_path / "o", "cp-b:/workspace/o"):
        done = await sandtui(remote, "cp", "-r", "cp-a:/workspace/o", target, code=4)
        assert "o/pipe is a named pipe: skipped" in done.stderr
    assert (tmp_path / "o" / "file").read_text() == "y\n" and links_under(tmp_path / "o") == {"link": "pipe"}
    failed = await sandtui(remote, "cp", "-r", tree, "cp-a:/proc/x", code=1)
    assert "/proc" in failed.stderr


async def test_nothing_is_written_through_a_link(remote, boxes, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("safe")
    target = tmp_path / "here" / "e"
    target.parent.mkdir()
    await boxes(f"mkdir /workspace/e; ln -s {outside} /workspace/e/d; echo evil > /workspace/e/f")
    await sandtui(remote, "sync", "cp-a:/workspace/e", target)
    # The link that came has become a directory in the sandbox, and a file a link.
    await boxes("cd /workspace/e; rm d f; mkdir d; echo evil > d/file; echo evil > d/fresh; ln -s ../outside/file f")
    for *words, there in (("cp", "-r", target.parent), ("sync", target), ("sync", "--dry-run", target)):
        failed = await sandtui(remote, *words, "cp-a:/workspace/e", there, code=1)
        assert "e/d is not a directory" in failed.stderr, failed.stderr
    await sandtui(remote, "sync", "--delete", "--overwrite", "cp-a:/workspace/e", target)
    assert (target / "d" / "file").read_text() == "evil\n" and not (target / "d").is_symlink()
    assert read_link(target / "f") == "../outside/file"
    # And back: a file takes the place of the link, not of what it leads to.
    await boxes("cd /workspace/e; rm -r d f; echo evil > d; echo evil > f")
    (target / "d" / "link").symlink_to(outside)
    await sandtui(remote, "sync", "--delete", "--overwrite", "cp-a:/workspace/e", target)
    assert (target / "f").read_text() == (target / "d").read_text() == "evil\n"
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": "safe"}


KINDS = ("file", "folder", "link", "folder-link", "pipe")


def make(root, kind):
    place = root / "x"
    if kind == "file":
        place.write_text("a file")
    elif kind == "folder":
        (place / "in").mkdir(parents=True)
        (place / "in" / "file").write_text("in a folder")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("other" if kind == "link" else ".")


def shape(root):
    """Return all that is under a directory, as far as it is copied."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", read_link(path))
        elif path.is_dir():
            found[name] = ("folder", "")
        else:
            found[name] = ("file", path.read_text()) if path.is_file() else ("pipe", "")
    return found


async def test_sync_replaces_what_is_of_another_kind_and_the_dry_run_agrees(remote, boxes, tmp_path):
    pairs = [(one, two) for one in KINDS for two in KINDS if one != "pipe"]
    for number, (source, target) in enumerate(pairs):
        for side, kind in (("source", source), ("target", target)):
            (tmp_path / side / f"{number}").mkdir(parents=True)
            make(tmp_path / side / f"{number}", kind)
        (tmp_path / "source" / f"{number}" / "more").write_text("more")
    # The pairs in a sandbox, made there: its pipes can't be copied.
    script = "set -e; mkdir -p /workspace/t; cd /workspace/t; "
    for number, (_, kind) in enumerate(pairs):
        made = {
            "file": "printf 'a file' > x", "folder": "mkdir -p x/in; printf 'in a folder' > x/in/file",
            "link": "ln -s other x", "folder-link": "ln -s . x", "pipe": "mkfifo x",
        }[kind]  # fmt: skip
        script += f"mkdir {number}; cd {number}; {made}; cd ..; "
    await boxes(script + "cp -a /workspace/t /workspace/one")
    refused = [
        number
        for number, (source, target) in enumerate(pairs)
        if (source == "folder") != (target == "folder") or target == "pipe"
    ]
    wanted = shape(tmp_path / "source")
    # One by one without --delete: both say the same.
    for number in (refused[0], refused[-1], 0, 2):
        words = ("sync", tmp_path / "source" / f"{number}", f"cp-a:/workspace/one/{number}")
        code = 1 if number in refused else 0
        plan = await sandtui(remote, *words, "--dry-run", code=code)
        done = await sandtui(remote, *words, code=code)
        assert plan.stderr == done.stderr and bool(plan.stderr) == bool(code)
    words = ("sync", "--delete", "--json", tmp_path / "source", "cp-a:/workspace/t")
    plan = json.loads((await sandtui(remote, *words, "--dry-run")).stdout)
    assert plan["delete"] == sorted(f"{number}/x" for number in refused)
    row = json.loads((await sandtui(remote, *words)).stdout)
    assert (row["state"], row["files"] + row["links"]) == ("done", len(plan["new"]) + len(plan["changed"]))
    again = json.loads((await sandtui(remote, *words, "--dry-run")).stdout)
    assert (again["new"], again["changed"], again["delete"]) == ([], [], [])
    # The other way, and across: this machine's pairs are made equal to the same source.
    for source, target in (("cp-a:/workspace/t", tmp_path / "target"), ("cp-a:/workspace/t", "cp-b:/workspace/u")):
        await sandtui(remote, "sync", "--delete", "--overwrite", source, target)
    assert shape(tmp_path / "target") == wanted
    await sandtui(remote, "sync", "cp-b:/workspace/u", tmp_path / "u")
    assert shape(tmp_path / "u") == wanted


async def test_what_is_ignored_stays_when_its_place_is_wanted(remote, boxes, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "x").write_text("a file")
    await boxes("mkdir -p /workspace/i/x /workspace/i/only/deep; cd /workspace/i; touch x/a.log only/deep/b.log only/c")
    words = ("sync", "--delete", "--ignore", "*.log", source, "cp-a:/workspace/i")
    for more in (("--dry-run",), ()):
        assert "ignored" in (await sandtui(remote, *words, *more, code=1)).stderr
    await boxes("rm -r /workspace/i/x")
    plan = await sandtui(remote, *words, "--dry-run")
    assert plan.stdout.splitlines()[:2] == ["+ x", "- only/c"]
    await sandtui(remote, *words)
    assert await boxes("cd /workspace/i; find . -type f | sort") == "./only/deep/b.log\n./x\n"


async def test_permissions_alone_are_carried(remote, boxes, tmp_path):
    here = tmp_path / "here"
    (here / "sub" / "closed").mkdir(parents=True)
    for name in ("run.sh", "plain", "sub/secret", "sub/closed/in"):
        (here / name).write_text(name)
    (here / "link").symlink_to("plain")
    show = "cd /workspace/p; stat -c '%a %n' run.sh plain sub sub/secret sub/closed | tr '\\n' ' '"
    await sandtui(remote, "sync", here, "cp-a:/workspace/p")
    (here / "run.sh").chmod(0o755)
    (here / "sub" / "secret").chmod(0o600)
    (here / "sub").chmod(0o750)
    (here / "sub" / "closed").chmod(0o500)
    words = ("sync", "--json", here, "cp-a:/workspace/p")
    plan = json.loads((await sandtui(remote, *words, "--dry-run")).stdout)
    assert (plan["new"], plan["changed"], plan["bytes"]) == ([], ["run.sh", "sub", "sub/closed", "sub/secret"], 0)
    row = json.loads((await sandtui(remote, *words)).stdout)
    assert (row["files"], row["permissions"], row["bytes"]) == (0, 4, 0)
    assert await boxes(show) == "755 run.sh 644 plain 750 sub 600 sub/secret 500 sub/closed "
    assert json.loads((await sandtui(remote, *words)).stdout)["permissions"] == 0
    # From a sandbox, and across.
    await sandtui(remote, "sync", "cp-a:/workspace/p", tmp_path / "back")
    await boxes("cd /workspace/p; chmod 4711 run.sh; chmod 640 plain; chmod 700 sub")
    await sandtui(remote, "sync", "cp-a:/workspace/p", "cp-b:/workspace/p")
    await boxes("cd /workspace/p; chmod 400 plain")
    for target in (tmp_path / "back", "cp-b:/workspace/p"):
        await sandtui(remote, "sync", "--overwrite", "cp-a:/workspace/p", target)
    modes = {name: stat.S_IMODE((tmp_path / "back" / name).stat().st_mode) for name in ("run.sh", "plain", "sub")}
    assert modes == {"run.sh": 0o711, "plain": 0o400, "sub": 0o700}, "no bit of a sandbox makes a file run as another"
    assert (await boxes(show, 1)).split()[:6] == ["4711", "run.sh", "400", "plain", "700", "sub"]
    process = await asyncio.create_subprocess_exec(
        *SANDTUI, *map(str, words), "--watch", env=remote, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["state"] == "done"
        (here / "plain").chmod(0o755)
        assert json.loads(await process.stdout.readline())["permissions"] == 1
        (here / "link").unlink()
        (here / "link").symlink_to("run.sh")
        assert json.loads(await process.stdout.readline())["links"] == 1
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert await boxes("cd /workspace/p; stat -c %a plain; readlink link") == "755\nrun.sh\n"


async def test_a_refused_upload_says_what_is_wrong(boxes, platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        (box,) = [row.id for row in (await client.list(labels=["cp"], exclude_terminated=True)).sandboxes][:1]
        # A container's own root file system can be written.
        for path in ("/usr/x", "/etc/passwd") if platform_process.driver == "namespace" else ():
            with pytest.raises(SandboxFileDeniedError) as caught:
                await client.upload_bytes(box, path, b"x")
            assert path in str(caught.value) and "Read-only" in str(caught.value)
            assert "key" not in str(caught.value) and "owner" not in str(caught.value)
