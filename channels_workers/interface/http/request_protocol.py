"""One request by workers: its client and its layer in, steps out; no I/O."""

from __future__ import annotations

import logging
from typing import Any

from channels_workers.conf import Configuration
from channels_workers.flow import WINDOW
from channels_workers.interface.actions import Close, Publish
from channels_workers.interface.close_codes import ABNORMAL
from channels_workers.interface.http.actions import (
    Cut,
    Refuse,
    Respond,
    Steps,
    Tell,
    TellBody,
    Withdraw,
)
from channels_workers.interface.http.replies import SAFE_METHODS, BadReply, request_content
from channels_workers.interface.http.response_protocol import Broken, ResponseProtocol, body_event
from channels_workers.interface.replies import consumers_path
from channels_workers.interface.request_ids import request_id
from channels_workers.interface.types import Scope
from channels_workers.layers.codec import Content
from channels_workers.layers.types import REQUEST, ReplyKind
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields, shown

logger = logging.getLogger(__name__)

#: What a server that stops answers to requests that wait for news.
STOPPING = Refuse(503, b"This server ends. Please ask again.\n", b"1")

NO_WORKER = (
    "No worker took the request %s within %g s (REQUEST_WAIT_TIMEOUT); it is answered %d. Is "
    "`manage.py runworker` running, does it listen to http.request, and are its threads free?"
)
UNKNOWN_WORKER = (
    "No worker answered the request %s within %g s (REQUEST_WAIT_TIMEOUT); it is answered %d. The "
    "layer does not say whether a worker has it. Does Redis answer?"
)
NO_RESPONSE = (
    "The response to %s did not begin within %g s (RESPONSE_TIMEOUT); it is answered %d. %s"
)
STILL_RUNS = "Its consumer still runs, or waits for a free worker."
HAS_RETURNED = (
    'Its consumer has returned without one: let it send {"status", "content"} to '
    "message.reply_channel, or something else before that time."
)
BAD_REPLY = "A consumer's reply to %s cannot go to its client: %s. %s"
BROKEN = "The request %s is answered 502: %s"
CUT = "Cutting the connection of %s: %s"
FORGOTTEN = (
    "the layer does not know it any more. It may have run, so it runs again only if its method is "
    "safe, and its client may ask again"
)
SILENT = (
    "its consumer has returned, and no further part came within %g s (RESPONSE_TIMEOUT). Let the "
    "last part have no more_content"
)
BUSY = "too many responses wait in its worker, STREAM_THREADS"
STOPS = "the server stops, and does not wait for it any longer"
TOO_MANY_HELD = (
    "The request %s is answered 503: its groups got more than %d bytes (ANSWER_BYTES_WAITING) or "
    "%d messages (REPLIES_WAITING) before its consumer was finished"
)
TOO_LARGE = "The request %s is answered 431: its head does not fit into a message. %s"


class RequestProtocol:
    """The state of one request, towards its client and towards the layer.

    Methods return what to do, in this order. The layer gets one message, ``http.request``. Replies
    to it are a response, or requests for the body of the request, which has *body_size* bytes.
    """

    __slots__ = (
        *("_body_size", "_content", "_episodes", "_held", "_held_size", "_is_heard"),
        *("_is_stopping", "_is_told", "_method", "_name", "_order", "_response", "_scope"),
        *("is_complete", "is_in_flight", "limits", "path", "request_id"),
    )

    def __init__(
        self,
        scope: Scope,
        body_size: int,
        limits: Configuration,
        episodes: Episodes | None = None,
    ) -> None:
        self.path = consumers_path(scope)
        self.limits = limits
        self.request_id = request_id(scope, limits.REQUEST_ID_HEADER)
        #: Nothing more goes to the client.
        self.is_complete = False
        #: It is published, and no worker has finished it.
        self.is_in_flight = False
        self._scope = scope
        self._method: str = scope["method"].upper()
        self._body_size = body_size
        self._episodes = Episodes() if episodes is None else episodes
        self._name = ""  # its reply channel, once it has one
        self._content: Content | None = None  # while it is in flight
        self._order = -1
        self._is_told = False  # the layer is told of the end, or has told of it
        self._is_stopping = False
        self._is_heard = False  # a consumer listens to what it is told
        self._response = ResponseProtocol(self._method)
        self._held: list[Content] = []  # messages to groups, while its consumer runs
        self._held_size = 0

    # What others may know of it

    @property
    def kind(self) -> ReplyKind:
        """Whether it may run again."""
        return ReplyKind.SAFE if self._method in SAFE_METHODS else ReplyKind.ONCE

    @property
    def is_published(self) -> bool:
        """Whether it was published, or is about to be."""
        return self._order == 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing more of it goes to the layer."""
        return self._is_told

    @property
    def has_begun(self) -> bool:
        """Whether its response has begun."""
        return self._response.has_begun

    @property
    def is_event_stream(self) -> bool:
        """Whether its response is a stream of events that still goes on."""
        return not self.is_complete and self._response.is_event_stream

    @property
    def lingers(self) -> bool:
        """Whether it waits for news, which its client may as well ask another server for.

        A response in parts that has begun does not: nobody must take its beginning for the whole.
        """
        waits = self.is_published and not self.is_in_flight and not self.has_begun
        return not self.is_complete and (waits or self._response.is_event_stream)

    @property
    def in_flight(self) -> Publish | None:
        """The message to publish again, if the layer loses it."""
        if self._content is None or not self._may_run_again:
            return None
        return Publish(REQUEST, 0, self._content)

    @property
    def may_be_restored(self) -> bool:
        """Whether the layer, if it has lost its data, may go on with it."""
        if not self.is_published:
            return False
        return self.is_complete or not self.is_in_flight or self._may_run_again

    @property
    def _late(self) -> Refuse:
        """The answer if it may have run: a 503 lets clients and proxies ask again."""
        return Refuse(503 if self.kind is ReplyKind.SAFE else 502)

    @property
    def _may_run_again(self) -> bool:
        return self.kind is ReplyKind.SAFE and not self.has_begun and not self.is_complete

    def fields(self, event: str) -> dict[str, str | int]:
        """Return the fields of a log line about it."""
        return fields(
            event,
            connection=self._name,
            path=shown(self.path),
            request_id=self.request_id or None,
        )

    def _log(self, level: int, extra: dict[str, str | int], text: str, *args: object) -> None:
        subject = shown(f"{self._method} {self.path}")
        self._episodes.log(logger, level, text, subject, *args, extra=extra)

    # From the client

    def begin(self, name: str, body: bytes) -> Steps:
        """Publish it; *name* is its reply channel, and *body* the beginning of its body."""
        self._name = name
        self._order, self.is_in_flight = 0, True
        self._content = request_content(self._scope, name, body, self._body_size)
        if self.request_id:
            self._content["request_id"] = self.request_id
        return [Publish(REQUEST, 0, self._content)]

    def gone(self) -> Steps:
        """Note that the client is gone."""
        return self._end()

    # From the layer

    def reply(self, content: Content, to_group: bool = False) -> Steps:
        """Take what a consumer sent to the reply channel or, if *to_group*, to a group.

        While its consumer runs, only the reply channel begins the response. What goes to groups
        follows that.
        """
        if self.is_complete:
            return self._tell_gone() if {"run", "read_body"} & content.keys() else []
        if "read_body" in content:
            self._is_heard = True
            return self._tell_body(content["read_body"])
        if to_group and self.is_in_flight and not self.has_begun:
            return self._hold(content)
        steps = self._respond(content)
        return steps + self._let_go() if self.has_begun else steps

    def release(self, order: int) -> Steps:
        """Note that a worker has finished the message *order*."""
        if order != self._order or not self.is_in_flight:
            return []
        self._note_finished()
        steps = self._let_go()
        if self.is_complete:
            return steps + self._close()
        return steps + self.stop() if self._is_stopping else steps

    def end_told(self, *, is_taken: bool = True) -> Steps:
        """Note that the layer has forgotten it: a worker has finished it for good, or it is lost.

        If it may not be published yet, it is not *is_taken*, and the layer is told all the same.
        """
        if not self.is_published:
            return []
        if is_taken:
            self._is_told = True
        steps = self._fail(FORGOTTEN)
        self._note_finished()
        return steps + self._close()

    def evict(self) -> Steps:
        """End it: the layer does not know its server any more."""
        self._is_told = True
        return self.give_up(FORGOTTEN)

    def forget(self) -> None:
        """Note that the layer knows of its end."""
        self._is_told = True
        self._note_finished()

    def _note_finished(self) -> None:
        self.is_in_flight = False
        self._content = None

    # When time is over

    def wait_too_long(self) -> Steps:
        """Take it back if no worker seems to have it: REQUEST_WAIT_TIMEOUT is over."""
        if self.is_complete or not self.is_in_flight or self._is_heard or self.has_begun:
            return []
        return [Withdraw()]

    def withdrawn(self, taken_back: bool | None) -> Steps:
        """Go on after :class:`Withdraw`; None if the layer has not answered."""
        if taken_back:
            self.forget()
        if taken_back is False or self.is_complete or self.has_begun:
            return []
        text, limit = NO_WORKER if taken_back else UNKNOWN_WORKER, self.limits.REQUEST_WAIT_TIMEOUT
        refusal = Refuse(503) if taken_back else self._late
        extra = self.fields("request_timeout")
        self._log(logging.WARNING, extra, text, limit, refusal.status)
        return [refusal, *self._end()]

    def time_out(self) -> Steps:
        """Refuse it if no response has begun: RESPONSE_TIMEOUT is over."""
        if self.is_complete or self.has_begun:
            return []
        hint = STILL_RUNS if self.is_in_flight else HAS_RETURNED
        arguments = self.limits.RESPONSE_TIMEOUT, self._late.status, hint
        self._log(logging.WARNING, self.fields("request_timeout"), NO_RESPONSE, *arguments)
        return [self._late, *self._end()]

    def fall_silent(self) -> Steps:
        """Cut a response that nobody goes on with: no part came for RESPONSE_TIMEOUT.

        A consumer that runs may still send one. An event stream waits for events as long as its
        client does.
        """
        if not self.has_begun or self.is_in_flight or self.is_event_stream:
            return []
        return self._fail(SILENT % self.limits.RESPONSE_TIMEOUT)

    def keep_alive(self) -> Steps:
        """Send a comment to a client whose event stream is silent."""
        return [] if self.is_complete else [*self._response.keep_alive()]

    # When the server stops, or the layer takes nothing

    def stop(self) -> Steps:
        """Wait for no more news; a consumer that runs may still finish the response."""
        self._is_stopping = True
        return self.dismiss() if self.lingers else []

    def dismiss(self) -> Steps:
        """End it properly, so that its client asks again."""
        if self.is_complete:
            return []
        last: Steps = [Respond(body_event(b""))] if self.has_begun else [STOPPING]
        return last + self._end()

    def give_up(self, reason: str = STOPS) -> Steps:
        """End it, as there will be no response, or not the rest of it."""
        may_have_run = self.kind is ReplyKind.ONCE and self.is_in_flight
        return self._fail(reason) if may_have_run or self.has_begun else self._refuse(503)

    def too_large(self, error: Exception) -> Steps:
        """Refuse it: it does not fit into a message."""
        self.forget()
        self._log(logging.WARNING, self.fields("request_refused"), TOO_LARGE, error)
        return self._refuse(431)

    def not_published(self) -> Steps:
        """Refuse it: the layer has not taken it."""
        self.forget()
        return self._refuse(503)

    def _refuse(self, status: int) -> Steps:
        return [] if self.is_complete else [Refuse(status), *self._end()]

    # The body of the request

    def _tell_body(self, asked: Any) -> Steps:
        match asked:
            case [int(offset), int(size)] if 0 <= offset <= self._body_size and size > 0:
                return [TellBody(offset, min(size, WINDOW))]
        return self._refuse_reply(f"it asks for the part {ascii(asked)[:50]} of the body")

    def _tell_gone(self) -> Steps:
        return [Tell({"gone": True})] if self.is_in_flight and self._is_heard else []

    # The response

    def _respond(self, content: Content) -> Steps:
        self._is_heard = self._is_heard or "run" in content
        if "run" in content and "is_busy" in content:
            return self._fail(BUSY) if self.has_begun else [self._late, *self._answered()]
        try:
            responds, more = self._response.take(content)
        except BadReply as error:
            return self._refuse_reply(str(error))
        except Broken as error:
            return self._fail(str(error))
        if not more:
            return [*responds, *self._answered()]
        if self._is_stopping and self.is_event_stream:
            return [*responds, *self.dismiss()]
        return [*responds]

    def _refuse_reply(self, reason: str) -> Steps:
        """Answer 500, or cut the connection: a reply cannot go to the client."""
        outcome = "Its connection is cut." if self.has_begun else "It is answered 500."
        self._log(logging.ERROR, self.fields("bad_reply"), BAD_REPLY, reason, outcome)
        return [Cut() if self.has_begun else Refuse(500), *self._end()]

    # Messages to groups, while its consumer runs

    def _hold(self, content: Content) -> Steps:
        part = content.get("content")
        self._held.append(content)
        self._held_size += len(part) if isinstance(part, bytes | str) else 0
        limits = self.limits.ANSWER_BYTES_WAITING, self.limits.REPLIES_WAITING
        if self._held_size <= limits[0] and len(self._held) <= limits[1]:
            return []
        self._log(logging.WARNING, self.fields("request_refused"), TOO_MANY_HELD, *limits)
        return self._refuse(503)

    def _let_go(self) -> Steps:
        held, self._held, self._held_size = self._held, [], 0
        return [step for content in held for step in self.reply(content)]

    # The end

    def _fail(self, reason: str) -> Steps:
        """Answer 502, or cut a response that has begun."""
        if self.is_complete:
            return []
        if self.has_begun:
            self._log(logging.WARNING, self.fields("response_cut"), CUT, reason)
            return [Cut(), *self._end()]
        self._log(logging.WARNING, self.fields("request_lost"), BROKEN, reason)
        return [Refuse(502), *self._end()]

    def _answered(self) -> Steps:
        """Note that the response is complete; its consumer may be about to finish it for good."""
        self.is_complete = True
        return [] if self.is_in_flight else self._close()

    def _end(self) -> Steps:
        """Note that nothing more goes to the client, whatever its consumer does."""
        if self.is_complete:
            return []
        self.is_complete = True
        self._held = []
        return self._tell_gone() + self._close()

    def _close(self) -> Steps:
        if self._is_told:
            return []
        self._is_told = True
        return [Close(ABNORMAL)]
