"""What a hostile sandbox can do to this machine through ``sandtui cp`` and ``sandtui sync``: bring what it holds."""

import asyncio
import json
import os
import subprocess

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_cp import boxes, remote, sandtui  # noqa: F401 - fixtures
from tests.e2e.test_dashboard import SANDTUI


def contents(root):
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "source"),
    [
        (("cp", "-r"), "cp-a:/workspace/tree/."),
        (("cp", "-r", "-p"), "cp-a:/workspace/tree/."),
        (("cp", "-r", "--no-checksum"), "cp-a:/workspace/tree/."),
        (("sync",), "cp-a:/workspace/tree"),
        (("sync", "--delete"), "cp-a:/workspace/tree"),
    ],
)
async def test_what_is_here_is_replaced_with_consent_only(remote, boxes, tmp_path, command, source):  # noqa: F811
    await boxes("mkdir -p /workspace/tree/sub; cd /workspace/tree; for f in new old sub/old; do echo theirs > $f; done")
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "old").write_text("mine")
    (here / "sub" / "old").symlink_to("/nowhere")
    (here / "only").write_text("mine")
    source = source.removesuffix("/.")
    target = here if command[0] == "sync" else tmp_path / "."
    if command[0] == "cp":
        await boxes("mv /workspace/tree /workspace/here")
        source = "cp-a:/workspace/here"
    before = contents(here)
    refused = await sandtui(remote, *command, source, target, code=2)
    assert "add --overwrite" in refused.stderr
    assert "2 files of this machine" in refused.stderr
    assert contents(here) == before, "nothing is written before the answer"
    line = [*SANDTUI, *command, "-q", source, str(target)]
    for typed, code in (("n", 2), ("", 2)):
        async with Terminal(line, remote) as terminal:
            await terminal.until("[y/N]")
            await terminal.press(*typed, "enter")
            assert await terminal.ended() == code
        assert contents(here) == before
    async with Terminal(line, remote) as terminal:
        await terminal.until("[y/N]")
        await terminal.press("y", "enter")
        assert await terminal.ended() == 0
    wanted = dict.fromkeys(("new", "old", "sub/old"), "theirs\n")
    assert contents(here) == wanted | ({} if "--delete" in command else {"only": "mine"})
    (here / "old").write_text("mine again")
    await sandtui(remote, *command, "--overwrite", source, target)
    assert (here / "old").read_text() == "theirs\n"


async def test_nobody_is_asked_about_what_is_new(remote, boxes, tmp_path):  # noqa: F811
    await boxes("echo theirs > /workspace/file")
    await boxes("echo theirs > /workspace/file", 1)
    assert (await sandtui(remote, "cp", "cp-a:/workspace/file", "-")).stdout == "theirs\n"
    await sandtui(remote, "cp", "cp-a:/workspace/file", tmp_path / "new")
    await sandtui(remote, "cp", "cp-a:/workspace/file", "cp-b:/workspace/file")
    await sandtui(remote, "cp", tmp_path / "new", "cp-b:/workspace/file")
    (tmp_path / "new").write_text("mine")
    refused = await sandtui(remote, "cp", "cp-a:/workspace/file", tmp_path / "new", code=2)
    assert "1 file of this machine would be replaced from a sandbox" in refused.stderr
    for existing, text in (("skip", "mine"), ("rename", "mine"), ("overwrite", "theirs\n")):
        await sandtui(remote, "cp", "--existing", existing, "cp-a:/workspace/file", tmp_path / "new")
        assert (tmp_path / "new").read_text() == text
    both = await sandtui(remote, "cp", "--overwrite", "--existing", "skip", "cp-a:/x", tmp_path, code=2)
    assert "cannot be combined" in both.stderr
    # One of several is in the way: none is written before the answer.
    (tmp_path / "all" / "cp-b").mkdir(parents=True)
    (tmp_path / "all" / "cp-b" / "file").write_text("mine")
    several = ("cp", "--query", "#cp", ":/workspace/file", tmp_path / "all")
    await sandtui(remote, *several, code=2)
    assert contents(tmp_path / "all") == {"cp-b/file": "mine"}
    await sandtui(remote, *several, "--overwrite")
    assert contents(tmp_path / "all") == {"cp-a/file": "theirs\n", "cp-b/file": "theirs\n"}


HOOK = "hooks/pre-commit"


@pytest.mark.parametrize("command", [("cp", "-r"), ("cp", "-r", "--overwrite", "-p"), ("sync", "--overwrite")])
async def test_no_git_directory_of_this_machine_is_written_to(remote, boxes, tmp_path, command):  # noqa: F811
    """A hook that has come would run at the next commit."""
    repository = tmp_path / "repo"
    await asyncio.to_thread(subprocess.run, ["git", "init", "-q", repository], check=True)
    names = (".git", ".GIT", "sub/.git", "sub/.Git", "deep/er/.gi\u200ct")
    await boxes(f"mkdir -p /workspace/repo; cd /workspace/repo; echo code > code.py; for d in {' '.join(names)}; do "
                f"mkdir -p $d/hooks; echo exit > $d/{HOOK}; chmod +x $d/{HOOK}; done; mkdir file; "
                "echo 'gitdir: ../evil' > file/.git; mkdir link; ln -s ../evil link/.git")  # fmt: skip
    before = contents(repository / ".git")
    target = repository if command[0] == "sync" else tmp_path
    done = await sandtui(remote, *command, "cp-a:/workspace/repo", target, code=4)
    assert done.stderr.count("is a .git directory") == 7
    assert "use --allow-git to copy" in done.stderr
    assert contents(repository / ".git") == before
    assert {name for name in contents(repository) if not name.startswith(".git/")} == {"code.py"}
    assert not (repository / "link" / ".git").is_symlink()
    # A directory named by a link, or from inside, is the same one.
    (tmp_path / "alias").symlink_to(repository / ".git" / "hooks")
    for inside in (repository / ".git" / "hooks", repository / ".git" / HOOK, tmp_path / "alias"):
        refused = await sandtui(remote, "cp", "--overwrite", f"cp-a:/workspace/repo/.git/{HOOK}", inside, code=1)
        assert "--allow-git" in refused.stderr
        assert contents(repository / ".git") == before
    allowed = await sandtui(remote, *command, "--overwrite", "--allow-git", "cp-a:/workspace/repo", target)
    assert os.access(repository / ".git" / HOOK, os.X_OK)
    assert f"{HOOK} came from a sandbox and is run by git automatically" in allowed.stderr


async def test_a_deleting_sync_leaves_the_git_directory_here(remote, boxes, tmp_path):  # noqa: F811
    repository = tmp_path / "repo"
    (repository / ".git").mkdir(parents=True)
    (repository / ".git" / "HEAD").write_text("mine")
    (repository / "extra").write_text("mine")
    await boxes("mkdir /workspace/repo; echo code > /workspace/repo/code.py")
    await sandtui(remote, "sync", "--delete", "cp-a:/workspace/repo", repository)
    assert contents(repository) == {".git/HEAD": "mine", "code.py": "code\n"}


async def test_files_that_programs_run_by_themselves_are_named(remote, boxes, tmp_path):  # noqa: F811
    names = (".envrc", ".bashrc", ".vscode/tasks.json", ".idea/x.xml", "a.desktop", ".ssh/rc", ".npmrc", "Makefile")
    await boxes("mkdir -p /workspace/t; cd /workspace/t; mkdir .vscode .idea .ssh bare; echo x > bare/HEAD; "
                f"for f in {' '.join(names)} bare/config; do echo x > $f; done")  # fmt: skip
    done = await sandtui(remote, "cp", "-r", "--json", "cp-a:/workspace/t", tmp_path / "t")
    wanted = {str(tmp_path / "t" / name) for name in (*names[:-1], "bare/config")}
    assert set(json.loads(done.stdout)["run_by_programs"]) == wanted
    assert all(path in done.stderr for path in wanted)
    single = await sandtui(remote, "cp", "cp-a:/workspace/t/Makefile", tmp_path / ".envrc")
    assert ".envrc came from a sandbox and is run by direnv automatically" in single.stderr
    plan = await sandtui(remote, "sync", "--dry-run", "cp-a:/workspace/t", tmp_path / "new")
    assert plan.stderr.count("automatically") == len(wanted)
    sent = await sandtui(remote, "cp", "-r", tmp_path / "t", "cp-b:/workspace/")
    assert sent.stderr == "", "what goes to a sandbox runs there"
