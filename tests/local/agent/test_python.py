"""The Python of a sandbox: every shell and every user finds it where Python's own images have it, pip with it."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandtui.local.agent.usr_local import Python, make_environment
from sandtui.local.drivers.machine_python import machine_python
from tests.local.ssh.test_ssh import authorized, connected
from tests.local.support import Api, Start

NAMES = ("python", "python3", "pip", "pip3")
SHORT = f"python{sys.version_info.major}.{sys.version_info.minor}"
WHEEL = "greeting-1.0-py3-none-any.whl"

needs_pip = pytest.mark.skipif(machine_python()["pip"] is None, reason="this Python has no pip to give")


def wheel() -> bytes:
    """Return a package with a module and a program."""
    info = "greeting-1.0.dist-info"
    files = {
        "greeting.py": "def main():\n    print('hello')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ngreet = greeting:main\n",
        f"{info}/RECORD": "greeting.py,,\n",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


@pytest.mark.parametrize(
    "shell",
    [
        "/bin/sh -c",
        "/bin/sh -lc",
        "bash -lc",
        "env -i /bin/sh -c",
        "env -i /bin/sh -lc",
        "env -i HOME=/root bash -lc",
        "env -i HOME=/ SHELL=/bin/sh LOGNAME=root /bin/sh -c",
    ],
)
@needs_pip
async def test_every_shell_finds_it(isolated: Api, shell: str) -> None:
    box = await isolated.running()
    look = f"for name in {' '.join(NAMES)}; do command -v $name; done"
    expected = "".join(f"/usr/local/bin/{name}\n" for name in NAMES)
    assert await isolated.output(box, f"{shell} '{look}'") == expected
    version = await isolated.output(box, f"{shell} 'python --version'")
    assert version.split()[1] == machine_python()["version"]


@pytest.mark.parametrize("user", ["nobody", "1000", "65534:1000", "daemon"])
async def test_every_user_finds_it(isolated: Api, user: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has only one user to give")
    box = await isolated.running()
    for command in ("python3 -c 'print(40 + 2)'", "env -i /bin/sh -lc 'python -c \"print(40 + 2)\"'"):
        assert await isolated.output(box, command, user=user) == "42\n"
    # Only what everyone needs is open: nobody else looks around at root's.
    assert (await isolated.run(box, "ls /root", user=user)).json()["exit_code"] != 0


@pytest.mark.parametrize("become", ["su - nobody -s /bin/sh -c", "su nobody -s /bin/bash -c"])
async def test_switching_the_user_finds_it(isolated: Api, become: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has only one user to give")
    box = await isolated.running()
    reply = (await isolated.run(box, f"{become} 'id -un; command -v python; python --version'")).json()
    if "nobody" not in reply["stdout"]:
        pytest.skip(f"su doesn't work on this machine: {reply}")
    assert reply["stdout"].splitlines()[1:] == ["/usr/local/bin/python", f"Python {machine_python()['version']}"]


async def test_a_terminal_over_ssh_finds_it(isolated: Api) -> None:
    box = await isolated.running()
    async with connected(await authorized(isolated, box)) as ssh:
        process = await ssh.create_process(term_type="xterm", term_size=(80, 24))
        process.stdin.write("command -v python3 | sed s/^/found:/; exit\n")
        output, _ = await process.communicate()
    assert "found:/usr/local/bin/python3" in str(output)


@needs_pip
async def test_pip_installs_for_this_python(real: Api) -> None:
    before = _listing("/usr/local")
    box = await real.running()
    await real.upload(box, f"/workspace/{WHEEL}", wheel())
    told = await real.output(box, "pip --version; pip3 --version; python -m pip --version")
    assert told.count(f"(python {SHORT.removeprefix('python')})") == 3
    await real.output(box, f"pip install --no-index ./{WHEEL}")
    for shell in ("sh -c", "bash -lc"):
        assert await real.output(box, f"{shell} 'greet; python -m pip show greeting'") != ""
        found = await real.output(box, f"{shell} 'python -c \"import greeting; print(greeting.__file__)\"'")
        assert found.strip().endswith(f"/usr/local/lib/{SHORT}/site-packages/greeting.py")
    await real.output(box, "pip uninstall -y greeting")
    assert (await real.run(box, "python -c 'import greeting'")).json()["exit_code"] == 1
    other = await real.running()
    assert (await real.run(other, "python -c 'import greeting'")).json()["exit_code"] == 1
    assert _listing("/usr/local") == before


@needs_pip
async def test_others_run_what_root_installed_and_install_for_themselves(isolated: Api) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has only one user to give")
    box = await isolated.running()
    await isolated.upload(box, f"/workspace/{WHEEL}", wheel())
    await isolated.output(box, f"mkdir -m 777 /home/u; pip install --no-index /workspace/{WHEEL}")
    assert await isolated.output(box, "sh -lc greet", user="1000") == "hello\n"
    await isolated.output(box, "pip uninstall -y greeting")
    install = f"HOME=/home/u pip install --no-index /workspace/{WHEEL} 2>&1"
    assert "Successfully installed" in await isolated.output(box, install, user="1000")
    assert await isolated.output(box, "HOME=/home/u /home/u/.local/bin/greet", user="1000") == "hello\n"


@needs_pip
async def test_virtual_environments_can_be_made(real: Api) -> None:
    box = await real.running()
    await real.upload(box, f"/workspace/{WHEEL}", wheel())
    made = "python -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)'"
    assert (await real.output(box, made)).strip().endswith("/workspace/v")
    installed = f"pip --python v/bin/python install --no-index ./{WHEEL} && v/bin/greet"
    assert (await real.output(box, installed)).endswith("hello\n")


async def test_the_programs_of_the_machine_stay(isolated: Api) -> None:
    box = await isolated.running()
    host = [path.name for path in Path("/usr/local/bin").iterdir() if os.access(path, os.X_OK)]
    script = "import os, sys; print([n for n in sys.argv[1:] if not os.access(f'/usr/local/bin/{n}', os.X_OK)])"
    await isolated.upload(box, "/tmp/look.py", script.encode())
    assert await isolated.output(box, f"python /tmp/look.py {' '.join(host)}") == "[]\n"
    # It is the sandbox' own, as far as it adds to it.
    await isolated.output(box, "cp /bin/true /usr/local/bin/new && mkdir /usr/local/tool && new")
    assert (await isolated.run(box, "touch /opt/sandtui/machine/x")).json()["exit_code"] != 0
    assert not Path("/usr/local/bin/new").exists()


@needs_pip
@pytest.mark.parametrize("name", ["a blank and 'quotes'", "d" * 150])
async def test_pip_starts_wherever_the_sandbox_lies(start: Start, state_dir: Path, name: str) -> None:
    api = await start("process", state=state_dir / name)
    box = await api.running()
    assert f"({SHORT.replace('python', 'python ')})" in await api.output(box, "pip --version")


@needs_pip
def test_the_pip_that_python_brings_does_too(tmp_path: Path) -> None:
    import ensurepip

    wheels = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not wheels:
        pytest.skip("this Python brings no pip")
    facts = {**machine_python(), "pip": str(wheels[0])}
    (tmp_path / "top").mkdir()
    make_environment(str(tmp_path / "top"), Python(**facts), place=str(tmp_path / "top"))
    for argv in (["pip"], ["pip3"], ["python", "-m", "pip"]):
        argv[0] = str(tmp_path / "top" / "bin" / argv[0])
        done = subprocess.run([*argv, "--version"], capture_output=True, text=True, check=True)
        assert str(wheels[0]) in done.stdout


def _listing(top: str) -> str:
    names = sorted(str(path) for path in Path(top).glob("*/*"))
    return "\n".join(names)
