"""Runs as a file with ``python -I -S``, before the package can be imported."""

import os
import sys

_AGENT = os.path.dirname(os.path.realpath(__file__))
_LOCAL = os.path.dirname(_AGENT)
# The parent packages stay empty: importing them would cost memory in every agent.
for _name, _path in (("sandtui", os.path.dirname(_LOCAL)), ("sandtui.local", _LOCAL)):
    _shell = type(sys)(_name)
    _shell.__path__ = [_path]
    sys.modules[_name] = _shell

from sandtui.local.agent.zygote import main  # noqa: E402

main()
