"""Which names a sandbox may not bring, or not without a word."""

import pytest

from sandtui.fleet.transfers.autorun import found, git_tops, in_git, is_git, run_by


@pytest.mark.parametrize(
    "name", [".git", ".GIT", ".Git", ".git.", ".git ", ".git . .", "git~1", "GIT~1", ".g\u200cit", "\ufeff.git",
             ".git::$INDEX_ALLOCATION", ".git:x"]
)  # fmt: skip
def test_every_spelling_of_git_is_git(name: str) -> None:
    assert is_git(name)
    assert in_git(f"a/{name}/hooks/pre-commit")
    assert git_tops([f"a/{name}/hooks/x", f"a/{name}/y", "b"]) == (f"a/{name}",)


@pytest.mark.parametrize("name", [".gitignore", ".github", "git", "x.git", ".gitmodules", "..git", " .git", "", "."])
def test_other_names_are_not(name: str) -> None:
    assert not is_git(name)


@pytest.mark.parametrize(
    "path", ["/h/.ENVRC", "/h/.zshrc", "/h/x/.vscode/Tasks.json", "/h/.config/pip/pip.conf", "/h/.idea/a/b",
             "/h/x.desktop", "/h/.ssh/a/b", "/h/.git/x", "/h/.git", "/x/a.pth", "/h/.claude/settings.json"]
)  # fmt: skip
def test_what_runs_on_its_own_has_its_program(path: str) -> None:
    assert run_by(path)


@pytest.mark.parametrize("path", ["/h/Makefile", "/h/conftest.py", "/h/run.sh", "/h/tasks.json", "/h/idea/x"])
def test_what_waits_to_be_run_has_none(path: str) -> None:
    assert run_by(path) == ""


def test_a_bare_repository_is_found_by_what_is_in_it() -> None:
    assert found("/t", ["x/HEAD", "x/config", "y/config"]) == [("/t/x/config", "git")]
    assert found("/t", ["HEAD", "config"]) == [("/t/config", "git")]
