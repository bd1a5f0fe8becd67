"""Tests with the live server, as users write them."""

import os
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from channels.layers import channel_layers
from django.contrib.auth import get_user_model
from django.test import override_settings
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channels_workers import Group
from channels_workers.test import ChannelLiveServerTestCase
from tests.processes.chromium import start_chromium

TIMEOUT = 60


class LiveTests(ChannelLiveServerTestCase):
    """Each test has a server, a worker and a database of its own."""

    worker_threads = 2

    def open(self) -> ClientConnection:
        """Open a socket as a page of the server does."""
        origin = Origin(self.live_server_url)
        return connect(f"{self.live_server_ws_url}/", origin=origin, open_timeout=TIMEOUT)

    def test_a_page(self) -> None:
        with urlopen(self.live_server_url + "/", timeout=TIMEOUT) as answer:
            assert b"<title>Live</title>" in answer.read()

    def test_a_static_file(self) -> None:
        url = f"{self.live_server_url}/static/live.css"
        with urlopen(url, timeout=TIMEOUT) as answer:
            assert answer.status == 200

    def test_both_processes_have_one_database(self) -> None:
        get_user_model().objects.create(username="ann")
        with self.open() as socket:
            socket.send("bob")
            assert socket.recv(TIMEOUT) == "bob is user 2"
        assert get_user_model().objects.filter(username="bob").exists()

    def test_the_database_is_empty_again(self) -> None:
        with self.open() as socket:
            socket.send("ann")
            assert socket.recv(TIMEOUT) == "ann is user 1"

    @unittest.skipUnless("REDIS_URL" in os.environ, "The layer in memory is in another process.")
    def test_the_test_sends_to_sockets(self) -> None:
        with self.open() as socket:
            socket.send("ann")
            socket.recv(TIMEOUT)
            Group("all").send({"text": "from the test"})
            assert socket.recv(TIMEOUT) == "from the test"
            (server,) = channel_layers["default"].group_channels("all")
            assert server.endswith("!")

    def test_a_browser(self) -> None:
        with TemporaryDirectory() as folder:
            browser = start_chromium(Path(folder) / "profile", Path(folder) / "log")
            self.addCleanup(browser.quit)
            browser.get(self.live_server_url)
            WebDriverWait(browser, TIMEOUT).until(
                lambda page: page.find_element(By.TAG_NAME, "li").text == "hello is user 1"
            )
            browser.quit()


@override_settings(CHANNEL_ROUTING=[])
class WithoutRoutesTests(ChannelLiveServerTestCase):
    """The server has the settings of the test."""

    def test_the_defaults_accept(self) -> None:
        with connect(f"{self.live_server_ws_url}/", open_timeout=TIMEOUT) as socket:
            assert socket.request
