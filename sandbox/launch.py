"""`launch.py PARENT SIGNAL USER PROGRAM [ARGUMENT ...]`: turns this process into PROGRAM. PROGRAM gets SIGNAL when the
process PARENT ends.

PARENT may end in any way, even by SIGKILL. On Linux the kernel sends the signal; elsewhere a watchdog process sends it.
If USER is not `-`, the process first switches to the user USER.

This is a program, not a function that runs between fork and exec, because Python code between fork and exec can
deadlock if the parent has threads. It uses the standard library only, because it runs without the installed packages.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import sys
import time

PR_SET_PDEATHSIG = 1


def become(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def die_with(parent: int, number: int) -> None:
    """Arranges that this process gets the signal `number` when the process `parent` ends. Call it after the change of
    user, because a change of user cancels the arrangement. If `parent` has ended already, this process exits.
    """
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    else:
        watch(parent, number)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def watch(parent: int, number: int) -> None:
    """Starts a watchdog process, which sends this process the signal `number` when the process `parent` has ended. The
    watchdog is not a child of this process, so that PROGRAM has no children that it did not start.
    """
    program = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    while _runs(program):
        if not _runs(parent):
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, number)
            break
        time.sleep(0.2)
    os._exit(0)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: list[str]) -> None:
    parent, number, user, program, *rest = arguments
    if user != "-":
        become(user)
    die_with(int(parent), signal.Signals[f"SIG{number}"])
    try:
        os.execvp(program, [program, *rest])
    except OSError as error:
        sys.exit(f"{program}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
