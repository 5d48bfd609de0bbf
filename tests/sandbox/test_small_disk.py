"""A disk that can be full."""

import errno
from pathlib import Path

import pytest

from sandbox import small_disk

SIZE = 1 << 20


def test_a_full_disk_takes_nothing_until_it_has_room_again(tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "disk", SIZE) as disk:
        if disk is None:
            pytest.skip("nobody may mount a file system here")
        (disk.path / "before").write_bytes(bytes(10_000))
        with disk.full(), pytest.raises(OSError, match="No space") as refused:
            (disk.path / "meanwhile").write_bytes(bytes(100_000))
        assert refused.value.errno == errno.ENOSPC
        (disk.path / "after").write_bytes(bytes(100_000))
        assert (disk.path / "before").read_bytes() == bytes(10_000)
    assert not (tmp_path / "disk").exists()
