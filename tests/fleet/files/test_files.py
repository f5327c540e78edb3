"""Directories of a sandbox: the command, tried with each set of tools, and the reader of what it prints."""

import asyncio
import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandtui.client import CommandResponse
from sandtui.fleet.files.entry import FileKind
from sandtui.fleet.files.listing import read_listing, read_tree
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError, as_name, decode, is_safe, is_safe_path
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import ShellArguments, unpack

HARD = [
    b"plain.txt",
    b"with space",
    b"line\nbreak",
    b"ends with break\n",
    b"quote'\"`$(touch x)",
    b"-rf",
    b"--",
    b"\xff\xfe not UTF-8",
    b"\xe9\n",
    "שלום ‮ rtl".encode(),
    b".hidden",
    b"back\\slash \\n",
    b"81a4 1 1 ",
    b"*",
    b"tab\there",
    b" ",
]


NAMES = (
    *("find", "stat", "od", "base64", "readlink", "df", "mv", "rm", "mkdir", "chmod", "ln", "sh", "cat", "wc", "cut"),
    *("sha256sum", "tar", "touch", "printf", "dd", "tail", "head"),
)


class Tools:
    """Runs commands as a sandbox would, with one set of tools alone on its path."""

    def __init__(self, folder: Path, suite: str | None, shell: list[str]) -> None:
        self.shell, self.env = shell, {"PATH": os.environ["PATH"], "HOME": str(folder)}
        if suite is not None:
            tools = folder / "tools"
            tools.mkdir()
            names = NAMES
            known = subprocess.run([suite, "--list"] if "busybox" in suite else [suite], capture_output=True, text=True)
            for name in names:
                if name in known.stdout.split():
                    (tools / name).symlink_to(suite)
                elif name == "sh":
                    (tools / name).symlink_to("/bin/dash")
            self.env["PATH"] = str(tools)

    async def execute_command(self, sandbox_id, command, timeout=None):
        def run():
            return subprocess.run([*self.shell, "-c", command], env=self.env, capture_output=True)

        done = await asyncio.to_thread(run)
        return CommandResponse(
            stdout=done.stdout.decode("utf-8", "replace"),
            stderr=done.stderr.decode("utf-8", "replace"),
            exit_code=done.returncode,
        )


SUITES = {
    "gnu-dash": (None, ["/bin/dash"]),
    "gnu-bash": (None, ["/bin/bash"]),
    "busybox": ("busybox", ["busybox", "sh"]),
    "toybox-dash": ("toybox", ["/bin/dash"]),
}


@pytest.fixture(params=SUITES)
def tools(request, tmp_path):
    suite, shell = SUITES[request.param]
    found = shutil.which(suite) if suite else None
    if suite and not found:
        pytest.skip(f"{suite} is not installed")
    if shell[0] == "busybox":
        shell = [found, "sh"]
    return Tools(tmp_path, found, shell)


@pytest.fixture
def hard(tmp_path):
    folder = tmp_path / "hard \n'é"
    folder.mkdir()

    def named(name: bytes) -> Path:
        return folder / os.fsdecode(name)

    for number, name in enumerate(HARD):
        named(name).write_bytes(b"x" * number)
    named(b"sub \xfe").mkdir()
    named(b"link").symlink_to("plain.txt")
    named(b"to sub").symlink_to(named(b"sub \xfe").name)
    named(b"dangling \xff").symlink_to("nowhere\n///space\n///end\n")
    named(b"loop").symlink_to("loop")
    os.mkfifo(named(b"pipe"))
    return str(folder)


async def test_each_set_of_tools_lists_what_this_machine_sees(tools, hard):
    here = await LocalFileSystem().read_folder(hard)
    there = await SandboxFileSystem(tools, "box").read_folder(hard)
    assert sorted(there.entries, key=lambda e: e.name) == sorted(here.entries, key=lambda e: e.name)
    assert there.path == hard and there.refused == 0
    by_name = {entry.name: entry for entry in there.entries}
    assert by_name["to sub"].is_folder and by_name["loop"].leads_to is None
    assert by_name["pipe"].kind is FileKind.OTHER
    assert there.capacity and there.free is not None


async def test_each_set_of_tools_walks_a_tree_and_follows_no_link(tools, hard):
    Path(hard, decode(b"sub \xfe"), "inner\n").write_bytes(b"abc")
    here, there = LocalFileSystem(), SandboxFileSystem(tools, "box")
    assert await there.walk(hard) == await here.walk(hard)
    assert await there.measure(hard) == await here.measure(hard)
    assert (await there.stat(f"{hard}/to sub")).kind is FileKind.FOLDER
    assert await there.stat(f"{hard}/nothing") is None


async def test_each_set_of_tools_changes_what_it_is_given(tools, hard):
    side = SandboxFileSystem(tools, "box")
    await side.make_folders([f"{hard}/-new {decode(bytes([254]))}/deep", f"{hard}/other"])
    for name in map(decode, HARD):
        await side.set_permissions([f"{hard}/{name}"], 0o640)
        assert stat.S_IMODE(Path(hard, name).stat().st_mode) == 0o640
        await side.rename(f"{hard}/{name}", f"x{name}")
        with pytest.raises(FilesError, match="already exists"):
            await side.rename(f"{hard}/x{name}", "link")
    await side.remove([f"{hard}/x{decode(name)}" for name in HARD] + [f"{hard}/to sub", f"{hard}/other"])
    left = {entry.name for entry in (await side.read_folder(hard)).entries}
    assert left == {"-new \udcfe", "sub \udcfe", "link", "dangling \udcff", "loop", "pipe"}


async def test_each_set_of_tools_makes_links_where_files_and_links_are(tools, hard):
    wanted = {decode(name): decode(target) for name, target in zip(HARD, reversed(HARD), strict=True)}
    wanted |= {"to sub": "-x", "loop": "/etc\n", "sub \udcfe/in": "../..", "new": "x" * 4000}
    for side in (SandboxFileSystem(tools, "box"), LocalFileSystem()):
        await side.make_links(hard, list(wanted.items()))
        items = {item.path: item.target for item in (await LocalFileSystem().walk(hard))[0] if item.target}
        assert items == wanted | {"link": "plain.txt", "dangling \udcff": "nowhere\n///space\n///end\n"}
        with pytest.raises(FilesError, match="directory"):
            await side.make_links(hard, [("sub \udcfe", "x")])
        for name in wanted:
            Path(hard, name).unlink()
            Path(hard, name).write_text("a file")


async def test_what_cannot_be_listed_is_reported(tools, tmp_path):
    side = SandboxFileSystem(tools, "box")
    Path(tmp_path, "file").touch()
    with pytest.raises(FilesError, match="no such file"):
        await side.read_folder(f"{tmp_path}/nothing")
    with pytest.raises(FilesError, match="is not a directory"):
        await side.read_folder(f"{tmp_path}/file")
    with pytest.raises(FilesError, match="contain a slash"):
        await side.rename(f"{tmp_path}/file", "../out")
    assert (await side.read_folder(f"{tmp_path}")).entries


async def test_the_local_side_refuses_for_the_same_reasons(tmp_path):
    side = LocalFileSystem()
    Path(tmp_path, "file").touch()
    for path, words in ((f"{tmp_path}/nothing", "no such file"), (f"{tmp_path}/file", "is not a directory")):
        with pytest.raises(FilesError, match=words):
            await side.read_folder(path)
    with pytest.raises(FilesError, match="already exists"):
        await side.rename(f"{tmp_path}/file", "file")
    await side.remove([f"{tmp_path}/file"])
    assert (await side.read_folder(str(tmp_path))).entries == []


names = st.binary(min_size=1, max_size=12).filter(lambda n: b"\0" not in n and b"/" not in n and n not in (b".", b".."))
numbers = st.integers(0, 2**40)


def printed(rows, targets=b""):
    stats = b"".join(b"%x %d %d //./%s\n" % row for row in rows)
    space = b"x 100 40 60 40% /\n"
    data = b"/here\n///entries\n" + stats + b"///kinds\n///space\n" + space + b"///targets\n" + targets + b"///end\n"
    return base64.encodebytes(data).decode()


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), numbers, numbers, names), unique_by=lambda row: row[3]))
def test_what_was_printed_is_what_is_read(rows):
    read = read_listing(printed(rows), ".")
    assert [(e.mode, e.size, e.modified, os.fsencode(e.name)) for e in read.entries] == rows
    assert read.path == "/here" and read.free == 60 * 1024


@given(st.binary(max_size=300))
def test_anything_else_is_refused_and_not_guessed(data):
    for output in (base64.b64encode(data).decode(), data.decode("latin1")):
        with pytest.raises(FilesError):
            read_listing(output, "/x")


@given(st.lists(st.tuples(st.just(0o100644), numbers, numbers, names), min_size=1), st.data())
def test_a_listing_that_was_cut_is_refused(rows, data):
    whole = printed(rows)
    raw = unpack(whole)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(FilesError):
        read_listing(base64.b64encode(raw[:cut]).decode(), "/x")


@pytest.mark.parametrize("name", [b"../x", b"a/b", b"", b"..", b"/etc/passwd", b"a/../../b"])
def test_names_that_would_lead_out_are_refused(name):
    rows = [(0o100644, 1, 1, b"good"), (0o100644, 1, 1, name)]
    read = read_listing(printed(rows), "/x")
    assert [entry.name for entry in read.entries] == ["good"] and read.refused == 1
    tree = b"///entries\n" + b"".join(b"%x %d %d //./%s\n" % row for row in rows) + b"///end\n"
    items, refused = read_tree(base64.b64encode(tree).decode())
    assert [item.path for item in items if ".." in item.path.split("/")] == []
    assert refused == (name != b"a/b")


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=30).filter(lambda n: b"\0" not in n))
@example(b"-\x80")
@example(b"--\xff-n")
def test_a_word_is_read_by_the_shell_as_it_was_meant(name):
    words = ShellArguments()
    word = words.add(decode(name))
    script = f"{words.preamble}printf '%s' {word}"
    wanted = b"./" + name if name.startswith(b"-") else name
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True).stdout == wanted


@given(st.binary())
def test_both_ways_to_pack_bytes_are_read(data):
    assert unpack(base64.encodebytes(data).decode()) == data
    octets = " ".join(f"{byte:02x}" for byte in data)
    # Two hexadecimal digits are base64 too: our commands print much more than that.
    if len(data) > 1:
        assert unpack(octets) == data


@given(st.text())
def test_a_name_made_of_outside_text_stays_in_its_directory(text):
    assert is_safe(as_name(text, "sbx_1")) and is_safe_path(as_name(text, "sbx_1"))
