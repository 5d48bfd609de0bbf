"""Python imports this module when it starts and the folder is on PYTHONPATH. So programs that tests start are traced,
too.
"""

import os
import sys
import threading
from types import CodeType, FrameType

_ROOT = os.environ.get("MUTATION_ROOT", "")
_DIRECTORY = os.environ.get("MUTATION_TRACE", "")
_PACKAGES = tuple(f"{_ROOT}/{name}/" for name in os.environ.get("MUTATION_PACKAGES", "").split(","))
_seen: dict[int, CodeType] = {}
_pid = 0


def _called(frame: FrameType, _event: str, _argument: object) -> None:
    """Appends a function of the product, when it is first called, to this process' file."""
    global _pid  # noqa: PLW0603 (a process has one trace)
    code = frame.f_code
    if os.getpid() != _pid:
        _pid = os.getpid()
        _seen.clear()
    if id(code) in _seen:
        return
    _seen[id(code)] = code
    path = code.co_filename
    if not path.startswith(_PACKAGES) or code.co_name == "<module>":
        return
    # Opened each time: a program may close what it did not open itself.
    file = os.open(f"{_DIRECTORY}/{_pid}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{path[len(_ROOT) + 1 :]}:{code.co_qualname}\n".encode())
    os.close(file)


if _ROOT and _DIRECTORY:
    threading.settrace(_called)
    sys.settrace(_called)
