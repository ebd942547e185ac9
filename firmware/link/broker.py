"""A throw-away MQTT 5 broker on this machine's loopback, for the demo and the tests; the van never starts one.

Knows iotcore (rumqttd in a wheel, the optional extra ``demo``) and its configuration; refuses to know who connects.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

from iotcore import Broker

MAX_PAYLOAD_BYTES = 512 * 1024
_CONFIG = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 4
[v5.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload}
max_inflight_count = 100
dynamic_filters = true
"""


class EmbeddedBroker:
    """Runs in a child process between enter and exit; it forgets everything at its end.

    Args:
        port: TCP port on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._broker: Broker | None = None

    def __enter__(self) -> EmbeddedBroker:  # noqa: PYI034  typing.Self came with Python 3.11
        """Start, and wait until the port accepts.

        Raises:
            OSError: the port is in use.
            RuntimeError: the broker did not come up within 10 s.
        """
        with tempfile.TemporaryDirectory(prefix="kerbside-broker-") as folder:
            path = Path(folder, "rumqttd.toml")
            path.write_text(_CONFIG.format(port=self.port, max_payload=MAX_PAYLOAD_BYTES), "utf-8")
            self._broker = Broker(config_path=str(path)).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child process."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
