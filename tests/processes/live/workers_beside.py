"""Tests with the live server of Channels 4, and workers in the process of the tests."""

from channels.testing import ChannelsLiveServerTestCase
from websockets.sync.client import connect
from websockets.typing import Origin

from channels_workers import Group, get_channel_layer
from channels_workers.worker import WorkerGroup

TIMEOUT = 60


class WorkersBesideTests(ChannelsLiveServerTestCase):  # type: ignore[misc]
    """Needs Redis, as server and workers are two processes."""

    def setUp(self) -> None:
        self.workers = WorkerGroup(get_channel_layer())
        self.workers.start()
        self.addCleanup(self.workers.join, TIMEOUT)
        self.addCleanup(self.workers.stop)

    def test_a_socket(self) -> None:
        origin = Origin(self.live_server_url)
        address = f"{self.live_server_ws_url}/"
        with connect(address, origin=origin, open_timeout=TIMEOUT) as socket:
            socket.send("ann")
            assert socket.recv(TIMEOUT) == "ann is user 1"
            Group("all").send({"text": "from the test"})
            assert socket.recv(TIMEOUT) == "from the test"

    def test_another_one(self) -> None:
        self.test_a_socket()
