"""Files that do not say how long they are, as those of /proc."""

import pytest


@pytest.mark.parametrize(
    "path", ["/proc/version", "/proc/self/status", "/proc/filesystems", "/etc/passwd", "/tmp/none"]
)
@pytest.mark.parametrize("checksum", [False, True])
def test_a_file_that_does_not_say_its_size_comes_whole(client, sandbox, tmp_path, path, checksum):
    client.execute_command(sandbox.id, ": > /tmp/none")
    changes = path == "/proc/self/status"
    client.download_file(sandbox.id, path, str(tmp_path / "got"), checksum=checksum and not changes)
    there = client.execute_command(sandbox.id, f"cat {path}").stdout
    got = (tmp_path / "got").read_text()
    assert got[:5] == there[:5] if changes else got == there


MANY_MAPPINGS = """
import mmap, time
kept = [mmap.mmap(-1, 4096) for _ in range(20_000)]
open("/tmp/mapped", "w").close()
time.sleep(600)
"""


def test_a_long_one_comes_whole(client, sandbox, tmp_path):
    client.upload_bytes(sandbox.id, "/tmp/many.py", MANY_MAPPINGS.encode(), "many.py")
    start = "nohup python3 /tmp/many.py > /dev/null 2>&1 & while [ ! -e /tmp/mapped ]; do sleep 0.05; done; echo $!"
    path = f"/proc/{client.execute_command(sandbox.id, start).stdout.strip()}/maps"
    size = client.execute_command(sandbox.id, f"wc -c < {path}").stdout
    client.download_file(sandbox.id, path, str(tmp_path / "got"), checksum=True)
    assert (tmp_path / "got").stat().st_size == int(size) > 1_000_000
