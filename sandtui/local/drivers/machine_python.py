"""Describes the Python interpreter that sandboxes get."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any, Final

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.launcher import INTERPRETER

_SECONDS: Final = 30.0
# pip as installed, or the version that Python bundles for new virtual environments.
_ASK: Final = """
import glob, importlib.util, json, os, platform, sys, sysconfig
pip = None
if importlib.util.find_spec("pip") is not None:
    pip = ""
elif (ensurepip := importlib.util.find_spec("ensurepip")) is not None:
    wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.origin), "_bundled", "pip-*.whl"))
    pip = wheels[0] if wheels else None
print(json.dumps({
    "prefix": os.path.realpath(sys.base_prefix),
    "version": platform.python_version(),
    "library": os.path.relpath(sysconfig.get_path("purelib", "venv", {"base": "/x"}), "/x"),
    "pip": pip,
}))
"""


@functools.cache
def machine_python(executable: Path = INTERPRETER) -> dict[str, Any]:
    """Describe an interpreter for :class:`sandtui.local.agent.usr_local.Python`; the result is cached."""
    try:
        done = subprocess.run(  # noqa: S603
            [executable, "-I", "-c", _ASK], cwd="/", check=True, capture_output=True, text=True, timeout=_SECONDS
        )
        return {"executable": str(executable.resolve()), **json.loads(done.stdout)}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise DriverError(f"The Python interpreter of sandboxes, {executable}, cannot be run: {error}") from error
