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


def test_a_long_one_comes_whole(client, sandbox, tmp_path):
    path = "/proc/kallsyms"
    size = client.execute_command(sandbox.id, f"wc -c < {path}").stdout
    client.download_file(sandbox.id, path, str(tmp_path / "got"), checksum=True)
    assert (tmp_path / "got").stat().st_size == int(size) > 1_000_000
