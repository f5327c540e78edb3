import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.config.settings import SettingsError, line_of, load_settings


def test_without_a_file_all_have_their_defaults(tmp_path):
    assert load_settings(tmp_path / "config.toml").create.images == ()


def test_what_stands_there_is_read(tmp_path):
    (tmp_path / "config.toml").write_text('[create]\nimages = ["a:1", "b:2"]\n')
    assert load_settings(tmp_path / "config.toml").create.images == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[create\n", "line 1"),
        ("\n[create]\nimage = []\n", r"line 3: create\.image: unknown key"),
        ("[colour]\nx = 1\n", r"line 1: colour: unknown key"),
        ('[create]\nimages = "a"\n', r"line 2: create\.images"),
        ('[create]\nimages = [\n "a",\n 1,\n]\n', r"line 5: create\.images\.1"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path, text, words):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        load_settings(path)


@given(st.text(max_size=80), st.lists(st.text(max_size=5), max_size=3))
def test_any_text_has_a_line_or_none(text, keys):
    assert 0 <= line_of(text, keys) <= len(text.splitlines())
