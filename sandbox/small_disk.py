"""A small file system that a test can make full, for a server's files. It is a tmpfs, which only root may mount."""

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs of limited size, which a test can make full. It uses only as much memory as its files need."""

    path: Path
    size: int
    """Bytes that fit in it, except in a `full` block."""

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Makes the disk full while the `with` block runs: shrinks the file system to the size of its files."""
        used = shutil.disk_usage(self.path).used
        while not self._resize(used):
            # Somebody wrote meanwhile.
            used += PAGE
        try:
            yield
        finally:
            if not self._resize(self.size):
                raise OSError(errno.EBUSY, "the small disk stays full", str(self.path))

    def _resize(self, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def mounted(path: Path, size: int) -> Iterator[SmallDisk | None]:
    """Mounts a file system of `size` bytes at the new folder `path` while the `with` block runs. If this process cannot
    mount a file system, yields None and leaves no folder.
    """
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        path.rmdir()
        yield None
        return
    try:
        yield SmallDisk(path, size)
    finally:
        # Whoever still has a file open keeps it.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        path.rmdir()
