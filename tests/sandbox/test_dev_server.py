"""The dev server of the demo: on a file, with a Web UI, beside another one."""

import tempfile
from pathlib import Path

from sandbox import ports, temporal
from sandbox.processes import Processes, answers_http


def test_it_has_a_web_ui_wherever_a_port_is_free() -> None:
    with tempfile.TemporaryDirectory() as name, Processes(Path(name)) as processes:
        server = temporal.start(processes, web=True)
        assert server.web
        assert answers_http(server.web)()
        assert (Path(name) / "temporal-0.db").exists()
        taken = int(server.web.rpartition(":")[2])
        assert ports.free_port(preferred=taken) != taken
    assert server.process.exit_code is not None
