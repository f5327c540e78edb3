"""``--log``: the file it takes, and what it says when that can't be."""

import pytest

from sandtui.cli.program import main
from sandtui.config.debug_log import HEAD


def test_a_subcommand_is_logged(tmp_path, capsys):
    path = tmp_path / "debug.log"
    assert main(["--log", str(path), "keys"]) == 0
    shown = capsys.readouterr()
    assert str(path) in shown.err
    assert "fleet.delete" in shown.out
    text = path.read_text()
    assert text.startswith(HEAD)
    assert ": --log " in text


def test_after_the_subcommand_too(tmp_path, capsys):
    assert main(["keys", f"--log={tmp_path / 'debug.log'}"]) == 0
    assert (tmp_path / "debug.log").read_text().startswith(HEAD)


def test_a_file_that_is_not_a_log_is_left_alone(tmp_path, capsys):
    notes = tmp_path / "notes"
    notes.write_text("mine")
    assert main([f"--log={notes}", "keys"]) == 2
    assert "choose another file" in capsys.readouterr().err
    assert notes.read_text() == "mine"


def test_help_tells_of_it(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--log [FILE]" in capsys.readouterr().out
