import stat

import pytest

from sandtui.client import CreateSandboxRequest
from sandtui.config.drafts import read_draft, write_draft
from sandtui.config.journal import LaunchJournal
from sandtui.config.paths import Paths, write_private
from sandtui.config.presets import BUILT_IN, PresetError, PresetStore, read_preset, to_editable, to_toml
from sandtui.fleet.creation.form import DEFAULTS
from sandtui.fleet.creation.launch_plan import plan_launch


def requests(count=3, **more):
    return [
        CreateSandboxRequest(name=f"r-{number}", docker_image="x", idempotency_key=f"k-{number}", **more)
        for number in range(count)
    ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.sqlite3"


def test_an_unfinished_launch_is_found_by_the_next_run(path):
    journal = LaunchJournal(path)
    assert journal.unfinished() == []
    journal.begin("one", "local", requests())
    journal.note("one", 0, "starting", "sbx_0")
    journal.note("one", 1, "creating", None)
    journal.close()
    (found,) = LaunchJournal(path).unfinished()
    assert (found.launch_id, found.context, found.can_resume) == ("one", "local", True)
    assert [(item.step, item.sandbox_id) for item in found.items] == [
        ("starting", "sbx_0"),
        ("creating", None),
        ("queued", None),
    ]
    assert [item.request.idempotency_key for item in found.items] == ["k-0", "k-1", "k-2"]


def test_a_finished_launch_is_not(path):
    journal = LaunchJournal(path)
    journal.begin("one", "local", requests())
    journal.finish("one")
    assert journal.unfinished() == []


def test_a_launch_that_is_tried_again_keeps_what_it_made(path):
    journal = LaunchJournal(path)
    journal.begin("one", "local", requests())
    journal.note("one", 0, "ready", "sbx_0")
    journal.begin("one", "local", requests())
    assert journal.unfinished()[0].items[0].sandbox_id == "sbx_0"


def test_secrets_are_not_written_and_only_the_user_can_read_it(path):
    journal = LaunchJournal(path)
    journal.begin("one", "local", requests(secrets={"KEY": "hunter2-canary"}))
    assert journal.unfinished()[0].can_resume is False
    journal.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(b"hunter2-canary" not in file.read_bytes() for file in path.parent.iterdir())


def test_a_journal_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(OSError):
        LaunchJournal(tmp_path / "state" / "journal.sqlite3").begin("one", "local", requests())
    (tmp_path / "broken.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(OSError, match="journal"):
        LaunchJournal(tmp_path / "broken.sqlite3").begin("one", "local", requests())


def test_images_of_earlier_launches_the_latest_first(path):
    journal = LaunchJournal(path)
    assert journal.images() == []
    journal.begin("one", "local", requests())
    journal.begin("two", "local", [CreateSandboxRequest(name="n", docker_image="y", idempotency_key="k")])
    journal.begin("three", "local", requests())
    assert journal.images() == ["x", "y"]


def test_what_was_asked_for_without_an_answer_is_unknown(path):
    journal = LaunchJournal(path)
    journal.begin("one", "local", requests())
    journal.note("one", 0, "creating", None)
    journal.note("one", 1, "starting", "sbx_1")
    (found,) = journal.unfinished()
    assert found.known == ["sbx_1"]
    assert [request.name for request in found.unknown] == ["r-0"]


class TestPresets:
    def test_a_form_as_an_editable_file_and_back(self):
        fields = {**DEFAULTS, "memory_gb": "4", "environment_vars": "A='x \"y\"'", "secrets": "B=hunter2 C=@env:D"}
        text = to_editable(fields)
        assert "hunter2" not in text
        assert dict(read_preset(text, "x").fields) == {**fields, "secrets": "C=@env:D"}

    def test_a_file_that_was_shared_becomes_ones_own(self, tmp_path):
        store = PresetStore(tmp_path / "own")
        shared = tmp_path / "theirs.toml"
        shared.write_text('description = "d"\nmemory_gb = 4\nsecrets = "A=hunter2"\n')
        assert store.take(str(shared)).description == "d"
        assert store.names()[0] == "theirs"
        assert "hunter2" not in (store.folder / "theirs.toml").read_text()
        with pytest.raises(PresetError, match="already"):
            store.take(str(shared))
        with pytest.raises(PresetError, match="cannot read"):
            store.take(str(tmp_path / "none.toml"))

    def test_what_comes_with_the_app_makes_sandboxes(self, tmp_path):
        store = PresetStore(tmp_path)
        assert store.names() == [preset.name for preset in BUILT_IN]
        for name in store.names():
            plan = plan_launch({**DEFAULTS, **store.load(name).fields}, "id")
            assert plan.requests, (name, plan.problems)

    def test_what_is_saved_comes_back(self, tmp_path):
        store = PresetStore(tmp_path)
        fields = {**DEFAULTS, "name": "mine", "environment_vars": "A='x y' B=\"[z]\"", "memory_gb": "4"}
        store.save("mine", fields)
        assert {**DEFAULTS, **store.load("mine").fields} == fields
        assert store.names()[0] == "mine"
        store.delete("mine")
        with pytest.raises(PresetError, match="no preset"):
            store.load("mine")

    def test_secrets_are_kept_as_references_only(self, tmp_path):
        text = to_toml({**DEFAULTS, "secrets": "A=hunter2 B=@env:TOKEN 'C=@file:/x y'"})
        assert "hunter2" not in text
        assert "@env:TOKEN" in text
        assert "@file:/x y" in text

    def test_numbers_may_be_written_as_numbers(self, tmp_path):
        (tmp_path / "n.toml").write_text('description = "d"\nmemory_gb = 4\ncount = 2\n')
        preset = PresetStore(tmp_path).load("n")
        assert (preset.fields, preset.description) == ({"memory_gb": "4", "count": "2"}, "d")

    @pytest.mark.parametrize("text", ["broken = [", "colour = 'red'", "name = ['a']", "name = true"])
    def test_a_file_that_cannot_be_used_says_where(self, tmp_path, text):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(PresetError, match=r"bad\.toml"):
            PresetStore(tmp_path).load("bad")

    @pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden", "x" * 65])
    def test_an_invalid_name_is_refused(self, tmp_path, name):
        with pytest.raises(PresetError):
            PresetStore(tmp_path).save(name, DEFAULTS)
        with pytest.raises(PresetError):
            PresetStore(tmp_path).load(name)
        with pytest.raises(PresetError):
            PresetStore(tmp_path).delete(name)


async def test_a_draft_survives_without_its_secrets(tmp_path):
    paths = Paths(tmp_path / "c", tmp_path / "s")
    assert read_draft(paths) == {}
    await write_draft(paths, {"name": "mine", "secrets": "A=hunter2 B=@env:TOKEN", "nonsense": "x"})
    assert read_draft(paths) == {"name": "mine", "secrets": "B=@env:TOKEN"}
    assert stat.S_IMODE(paths.draft.stat().st_mode) == 0o600
    await write_draft(paths, {})
    assert not paths.draft.exists()
    write_private(paths.draft, "[broken")
    assert read_draft(paths) == {}
