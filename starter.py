"""The operator's commands: see `python starter.py --help`. Their code is in `cli/`.

Exit codes: 0 done, 1 the job failed, was canceled or ended with failures (`watch`, `status`), 2 bad input, 3 a server
cannot be reached, 130 interrupted. `archive-status`, `doctor` and `reconcile` also exit with 1 if not all is well. An
error is one line on standard error.
"""

import contextlib

import process
from cli.program import main

if __name__ == "__main__":
    code = 0
    with contextlib.suppress(BrokenPipeError):  # `starter.py list | head`
        code = main()
    process.leave(code)
