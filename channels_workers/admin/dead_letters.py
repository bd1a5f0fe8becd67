"""The pages with dead letters: list, look, retry and drop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.http import urlencode
from django.utils.translation import npgettext, pgettext

from channels_workers.admin.letters import Shown, content_shown, shown
from channels_workers.admin.pages import LayerPage
from channels_workers.layers.admin import check_retry
from channels_workers.layers.aside import printable
from channels_workers.layers.types import DeadLetter
from channels_workers.models import DeadLetter as DeadLetterModel
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer

#: How many dead letters a page lists. One request acts on as many at most.
PAGE = 50

#: How many refusals are shown with their reasons.
REASONS = 5


class DeadLetterAdmin(LayerPage):
    """Dead letters. Each retry and each drop has a permission, and an entry in the log."""

    def get_urls(self) -> list[URLPattern]:
        """Return the list, which takes the actions, and the page of one letter."""
        return [
            self.pattern("", self.letters, "changelist"),
            self.pattern("<path:object_id>/change/", self.letter, "change"),
        ]

    def letters(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of dead letters, the newest first; or carry out an action."""
        alias = self.alias(request)
        if request.method == "POST":
            return self._act(request, alias)
        layer = get_channel_layer(alias)
        try:
            found = layer.admin.dead_letters(PAGE + 1, request.GET.get("before"))
        except ValueError:  # no id
            return HttpResponseRedirect(self._url(alias))
        newest = list(reversed(found))[:PAGE]
        return self.page(
            request,
            "dead_letters",
            letters=[self._shown(letter, alias) for letter in newest],
            older=self._url(alias, before=newest[-1].id) if len(found) > PAGE else "",
            newest=self._url(alias) if "before" in request.GET else "",
            **self._actions(request),
        )

    def letter(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Return the page of one dead letter."""
        alias = self.alias(request)
        layer = get_channel_layer(alias)
        letter = layer.admin.dead_letter(object_id)
        if letter is None:
            text = pgettext("channels_workers", "There is no dead letter %(id)s any more.")
            self.message_user(request, text % {"id": printable(object_id)}, messages.WARNING)
            return HttpResponseRedirect(self._url(alias))
        return self.page(
            request,
            "dead_letter",
            title=pgettext("channels_workers", "Dead letter"),
            letter=self._shown(letter, alias),
            content=content_shown(layer, letter),
            action_url=self._url(alias),
            **self._actions(request),
        )

    # Actions

    def _actions(self, request: HttpRequest) -> dict[str, bool]:
        return {"may_retry": self.has(request, "retry"), "may_drop": self.has(request, "drop")}

    def _act(self, request: HttpRequest, alias: str) -> HttpResponseBase:
        """Retry or drop the chosen letters; ask before a drop."""
        action = request.POST.get("action", "")
        chosen = list(dict.fromkeys(request.POST.getlist("letter")))[:PAGE]
        if action not in ("retry", "drop") or not chosen:
            self.message_user(
                request,
                pgettext("channels_workers", "Choose dead letters first."),
                messages.WARNING,
            )
            return HttpResponseRedirect(self._url(alias))
        self.require(request, action)
        admin = get_channel_layer(alias).admin
        letters = [found for one in chosen if (found := admin.dead_letter(one)) is not None]
        if action == "drop" and "confirm" not in request.POST:
            asked = [self._shown(letter, alias) for letter in letters]
            title = pgettext("channels_workers", "Drop dead letters?")
            return self.page(request, "drop", title=title, letters=asked, back=self._url(alias))
        done = self._retry if action == "retry" else self._drop
        done(request, alias, letters)
        if gone := len(chosen) - len(letters):
            text = npgettext(
                "channels_workers",
                "%(count)d dead letter was gone already.",
                "%(count)d dead letters were gone already.",
                gone,
            )
            self.message_user(request, text % {"count": gone}, messages.WARNING)
        return HttpResponseRedirect(self._url(alias))

    def _retry(self, request: HttpRequest, alias: str, letters: list[DeadLetter]) -> None:
        admin, sent = get_channel_layer(alias).admin, 0
        refused: list[str] = []
        for letter in letters:
            try:
                check_retry(letter)
            except ValueError as error:
                refused.append(str(error))
                continue
            with self._logged(request, letter, CHANGE, f"Sent again, layer {alias}.") as entry:
                if admin.retry(letter.id):
                    sent += 1
                else:
                    entry.delete()
        if sent:
            text = npgettext(
                "channels_workers",
                "%(count)d dead letter is sent again.",
                "%(count)d dead letters are sent again.",
                sent,
            )
            self.message_user(request, text % {"count": sent}, messages.SUCCESS)
        for reason in refused[:REASONS]:
            self.message_user(request, printable(reason, 500), messages.ERROR)
        if (more := len(refused) - REASONS) > 0:
            text = pgettext("channels_workers", "%(count)d more were refused.")
            self.message_user(request, text % {"count": more}, messages.ERROR)

    def _drop(self, request: HttpRequest, alias: str, letters: list[DeadLetter]) -> None:
        admin, dropped = get_channel_layer(alias).admin, 0
        for letter in letters:
            with self._logged(request, letter, DELETION, f"Dropped, layer {alias}.") as entry:
                if admin.drop(letter.id):
                    dropped += 1
                else:
                    entry.delete()
        text = npgettext(
            "channels_workers",
            "%(count)d dead letter is dropped.",
            "%(count)d dead letters are dropped.",
            dropped,
        )
        self.message_user(request, text % {"count": dropped}, messages.SUCCESS)

    @contextmanager
    def _logged(
        self, request: HttpRequest, letter: DeadLetter, flag: int, what: str
    ) -> Iterator[LogEntry]:
        """Write an entry of the log in one transaction with what is done in the block.

        If the entry cannot be written, nothing is done.
        """
        using = router.db_for_write(LogEntry)
        with transaction.atomic(using=using):
            kind = ContentType.objects.db_manager(using)
            entry = LogEntry(
                user_id=str(request.user.pk),
                content_type=kind.get_for_model(DeadLetterModel, for_concrete_model=False),
                object_id=letter.id,
                object_repr=printable(f"{letter.message.channel} {letter.message.id}")[:200],
                action_flag=flag,
                change_message=f"{what} {printable(letter.reason)}",
            )
            entry.save(using=using)
            yield entry

    # URLs

    def _shown(self, letter: DeadLetter, alias: str) -> Shown:
        name = "admin:channels_workers_deadletter_change"
        url = reverse(name, args=[letter.id], current_app=self.admin_site.name)
        return shown(letter, url + _query(alias))

    def _url(self, alias: str, **query: str) -> str:
        name = "admin:channels_workers_deadletter_changelist"
        return reverse(name, current_app=self.admin_site.name) + _query(alias, **query)


def _query(alias: str, **query: str) -> str:
    if alias != DEFAULT_CHANNEL_LAYER:
        query["layer"] = alias
    return f"?{urlencode(query)}" if query else ""
