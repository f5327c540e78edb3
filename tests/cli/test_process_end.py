"""The end of the dashboard's process: nothing walks once more through all that it had in memory."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, os, sys
import sandtui.ui.app
from sandtui.cli import dashboard, demo, program

class Kept:
    def __init__(self):
        self.itself = self
        self.write = os.write
    def __del__(self):
        self.write(1, b"collected")

def run(app):
    sys.modules["__main__"].kept = Kept()
    gc.enable()
    {then}

sandtui.ui.app.SandtuiApp.run = run
sandtui.cli.demo.on_terminal = lambda *_: True
dashboard.on_terminal = lambda *_: True
sys.exit(program.main({arguments}))
"""


@pytest.mark.parametrize("then", ["pass", "raise OSError('the terminal broke')"])
@pytest.mark.parametrize("arguments", ["[]", "['--local']", "['demo', '--fleet', '1']"])
def test_what_the_dashboard_had_is_not_collected_at_the_end(then, arguments):
    source = PROGRAM.format(then=then, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0 if then == "pass" else 1, ""), done.stderr


@pytest.mark.parametrize("arguments", [["version"], ["help"], ["config", "path"], ["nonsense"]])
def test_what_a_command_had_is_not_collected_at_the_end(arguments):
    """It took a sixth of the time of `sandtui ls`."""
    source = (
        "import atexit, gc, sys; from sandtui.cli.entry import main\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 0, gc.isenabled()))\n"
        f"sys.argv = ['sandtui', *{arguments}]; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "frozen True False"
