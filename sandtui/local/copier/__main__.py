"""Runs as a file with ``python -I -S``, before the package can be imported."""

import os
import sys

_COPIER = os.path.dirname(os.path.realpath(__file__))
_LOCAL = os.path.dirname(_COPIER)
# The parent packages stay empty: importing them would take longer than many copies do.
for _name, _path in (("sandtui", os.path.dirname(_LOCAL)), ("sandtui.local", _LOCAL)):
    _shell = type(sys)(_name)
    _shell.__path__ = [_path]
    sys.modules[_name] = _shell

from sandtui.local.copier.program import main  # noqa: E402

main()
