"""A page whose server stops reconnects at the announced time, and misses nothing."""

import re
import signal

from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartWeb, StartWorker

LATER = {"DRAIN_TIME": "0.1", "RETURN_TIME": "500"}
SOON = {"DRAIN_TIME": "0.1", "RETURN_TIME": "0.5"}


def test_a_page_reconnects_at_the_announced_time(
    start_web: StartWeb, start_worker: StartWorker, open_tab: OpenTab
) -> None:
    start_worker()
    first, other = start_web(env=LATER), start_web()
    with other.join("back") as bob:
        tab = open_tab(first, "/back/")
        tab.say("before")
        tab.wait_for_messages("before")
        first.process.terminate()
        tab.wait_until("lost")
        said = r"Next try in (\d+) s"
        wait_for(lambda: re.search(said, "".join(tab.texts("#status"))), "the banner")
        told = re.search(said, "".join(tab.texts("#status")))
        assert told is not None
        assert 400 < int(told[1]) <= 750  # up to half as much again, plus what the test took
        bob.say("meanwhile", handle="bob")
        assert bob.hear_message("meanwhile")
        second = start_web(env=SOON, port=first.port)
        tab.find("#now")[0].click()
        tab.wait_for_messages("before", "meanwhile")
        tab.wait_until("open")
        second.process.signal(signal.SIGTERM)
        tab.wait_until("lost")
        bob.say("again", handle="bob")
        assert bob.hear_message("again")
        second.process.wait()
        start_web(env=SOON, port=first.port)
        tab.wait_for_messages("before", "meanwhile", "again")
