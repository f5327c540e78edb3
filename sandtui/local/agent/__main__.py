"""Run as a file by ``python -I -S``, before anything of the package is importable."""

import os
import sys

_AGENT = os.path.dirname(os.path.realpath(__file__))
_LOCAL = os.path.dirname(_AGENT)
# The parents stay empty shells here: their own __init__ must never cost an agent any memory.
for _name, _path in (("sandtui", os.path.dirname(_LOCAL)), ("sandtui.local", _LOCAL)):
    _shell = type(sys)(_name)
    _shell.__path__ = [_path]
    sys.modules[_name] = _shell

from sandtui.local.agent.zygote import main  # noqa: E402

main()
