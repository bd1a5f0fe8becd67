"""Random interleavings with HTTP requests beside sockets. It adds these promises to `machine`:

1. a request that must not run twice is held by one worker after another only if they requeued it;
   if its worker dies, it becomes one dead letter, and its client is refused once;
2. a safe request is handed out again;
3. one disconnect for each request that was closed after a worker took it, unless a commit ended it;
4. a withdrawn request was run by nobody;
5. its server learns of each end once, after the messages of that commit;
6. a consumer hears what its server tells, in order.
"""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule

from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    REQUEST,
    REQUEST_DISCONNECT,
    RUNS_ONCE,
    Closed,
    Published,
    ReplyKind,
    Session,
)
from tests.channels_workers.layers.machine import Machine
from tests.channels_workers.layers.peers import Page, Peer, process_of

REQUESTS = [ReplyKind.SAFE, ReplyKind.ONCE]

HTTP = [REQUEST, REQUEST_DISCONNECT]

GIVEN_UP = "too often put off"


#: What happens to a request: the names of methods.
HAPPENINGS = [
    *("take", "respond", "take", "respond", "close_page", "withdraw", "request_again"),
    *("tell", "listen", "put_off", "put_off_too_often", "die", "save_session_now"),
]

a_few = st.lists(st.sampled_from(HAPPENINGS), min_size=2, max_size=10)


class RequestMachine(Machine):
    """The interleavings."""

    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Page] = []
        self.letters: Counter[tuple[str, str]] = Counter()  # message id and reason

    @initialize(target=pages, kind=st.sampled_from(REQUESTS), happenings=a_few, data=st.data())
    def first_request(self, kind: ReplyKind, happenings: list[str], data: st.DataObject) -> Page:
        self.start()
        return self.request(0, kind, happenings, data)

    # Servers

    @rule(
        target=pages,
        number=st.integers(0, 1),
        kind=st.sampled_from(REQUESTS),
        happenings=a_few,
        data=st.data(),
    )
    def request(
        self, number: int, kind: ReplyKind, happenings: list[str], data: st.DataObject
    ) -> Page:
        page = Page(self.servers[number], kind)
        self.by_channel[page.channel] = page
        self.requests.append(page)
        assert self._publish(page, REQUEST, 0, {"text": "0"}) is Published.PUBLISHED
        self.happen(page, happenings, data)
        return page

    @rule(page=pages, happenings=a_few, data=st.data())
    def happen(self, page: Page, happenings: list[str], data: st.DataObject) -> None:
        """Several steps in one rule, as hypothesis leaves out many rules in each run."""
        for happening in [] if page.is_over else happenings:
            getattr(self, f"_{happening}")(page, data)

    def _request_again(self, page: Page, data: st.DataObject) -> None:
        """A server repeats its request after a lost reply, perhaps that of an ended request."""
        if not page.is_over or (self.bus.loses_replies and page.is_remembered):
            reply = self._publish(page, REQUEST, 0, {"text": "again"})
            assert reply in (Published.REPEATED, Published.GONE)

    @rule(number=st.integers(0, 1))
    def heartbeat(self, number: int) -> None:
        """The layer need not remember the ends that the server has learned."""
        self.bus.heartbeat(self.servers[number])

    def _close_page(self, page: Page, data: st.DataObject | None = None) -> None:
        """The client has the whole response, or it has gone."""
        expected = page.close()
        page.leave()
        self.bus.depart(page.server, page.channel)
        assert self.bus.close(page.channel, 1006) is expected
        if expected is Closed.WITHDRAWN:
            assert self.bus.left_of(page.channel) == []

    def _withdraw(self, page: Page, data: st.DataObject) -> None:
        """No worker took the request in time."""
        if page.withdrawn:
            return
        expected = page.may_be_withdrawn
        assert self.bus.withdraw(page.channel) is expected
        if expected:
            page.withdraw()
            self.bus.depart(page.server, page.channel)
            assert self.bus.left_of(page.channel) == []

    def _tell(self, page: Page, data: st.DataObject) -> None:
        payload = b"%d" % next(self.numbers)
        self.bus.tell(page.server, page.channel, payload)
        if not page.is_over:
            page.told.append(payload)

    # Workers

    def _take(self, page: Page, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        for delivery in self.layer.pull(HTTP, f"{worker}.0", 0):
            self._began(delivery)

    def _respond(self, page: Page, data: st.DataObject) -> None:
        if page.held:
            self._commit(page.held, data, ends=data.draw(st.booleans()))

    def _put_off(self, page: Page, data: st.DataObject) -> None:
        if page.held:
            self.requeue(page.held, data.draw(st.booleans()), data.draw(st.booleans()))

    def _die(self, page: Page, data: st.DataObject) -> None:
        """The worker that holds the request dies."""
        process = process_of(page.held) if page.held else ""
        if process in self.workers:
            self.kill_worker(self.workers.index(process))

    def _listen(self, page: Page, data: st.DataObject) -> None:
        heard = self.layer.listen(page.channel, 0)
        assert heard == (page.told.popleft() if page.told else None)

    def _put_off_too_often(self, page: Page, data: st.DataObject) -> None:
        if (held := page.held) is None:
            return
        given_up = self.layer.dead_letter(held, GIVEN_UP)
        if self._holder(held, given_up):
            self.letters[held.id, GIVEN_UP] += 1
            page.give_up()

    def _save_session_now(self, page: Page, data: st.DataObject) -> None:
        if page.session is not None:
            self.layer.save_session(Session(page.channel, page.session))

    @rule()
    def look_who_is_connected(self) -> None:
        """A running consumer asks whether its client is still there."""
        connected = self.layer.connected([page.channel for page in self.requests])
        there = [page for page in self.requests if not (page.is_over or page.closed)]
        assert connected == {page.channel for page in there}

    # Invariants after every step, and at the end

    @invariant()
    def ends_are_told_once(self) -> None:
        assert all(page.ends <= min(page.owed_ends, 1) for page in self.requests)

    def teardown(self) -> None:
        if not hasattr(self, "bus"):
            return
        for page in self.requests:
            self._close_page(page)
        super().teardown()
        letters = [(found.message.id, found.reason) for found in self.layer.admin.dead_letters()]
        assert Counter(letters) == self.letters

    # How

    def _finish_all(self) -> None:
        super()._finish_all()
        for page in self.requests:
            if page.server in self.servers:
                assert page.ends == page.owed_ends

    def _give_up(self, peer: Peer) -> None:
        assert peer.held is not None
        self.letters[peer.held.id, RUNS_ONCE] += 1
        super()._give_up(peer)

    def _drain(self, server: Server) -> int:
        entries = super()._drain(server)
        for page in self.requests:
            if page.server is server and page.ends:
                self.bus.depart(server, page.channel)
        return entries
