"""The pages and the history. Messages arrive through sockets, in ``chat.consumers``."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_safe

from chat import guests, names, texts
from chat import lobby as the_lobby
from chat.accounts.attempts import address_of
from chat.frames import LARGEST_ID, FrameError
from chat.history import Answer, fitting_into_page
from chat.models import Message, Room

LAST = 50
OLDER = 50
NEWER = 200
CHANGED = 200


class BadQuery(ValueError):
    """The query string of a history request is invalid. The error text says why."""


@require_http_methods(["GET", "HEAD", "POST"])
def lobby(request: HttpRequest) -> HttpResponse:
    """Ask for a room. A typed name redirects to the room with that name."""
    typed = request.POST.get("name", "")
    if request.method != "POST":
        return _lobby(request)
    try:
        return redirect(Room.objects.named(names.clean(typed), address_of(request)))
    except FrameError as error:
        return _lobby(request, status=429, typed=typed, error=str(error))
    except names.BadName as error:
        if known := Room.objects.of_old(typed):
            return redirect(known)
        typed = typed[: names.NAME_LENGTH]
        return _lobby(request, status=400, typed=typed, error=str(error))


def _lobby(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    context["rooms"] = the_lobby.rooms()
    context["name_length"] = names.NAME_LENGTH
    context["texts"] = texts.script(texts.LOBBY)
    return render(request, "chat/lobby.html", context, status=status)


@never_cache
@require_safe
def new(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect to a room with a random name. Its first socket creates it."""
    return redirect(Room.objects.random())


@cache_control(private=True, no_cache=True)
@require_safe
def room(request: HttpRequest, label: str) -> HttpResponse:
    """The room with the last messages. Sets the guest's cookie, but does not create the room."""
    if not names.is_label(label):
        return not_found(request)
    person = guests.person_of_request(request) or guests.new_person()
    # Read first, so that the page gets a change between the two reads twice, not never.
    found = Room.objects.seen_at(label)
    newest = list(Message.objects.newest(label, LAST + 1)) if found.pk else []
    last = fitting_into_page(newest, LAST, settings.CHAT_HISTORY_SIZE)
    context = {
        "room": found,
        "who": guests.who_is(person),
        "messages": last[::-1],
        "more": len(newest) > len(last),
        "handle_length": settings.CHAT_HANDLE_LENGTH,
        "message_length": settings.CHAT_MESSAGE_LENGTH,
        "edit_time": settings.CHAT_EDIT_TIME,
        "texts": texts.script(texts.ROOM),
    }
    response = render(request, "chat/room.html", context)
    guest = guests.person_in(request.COOKIES) or _guest(person)
    if not guests.is_signed_anew(request.COOKIES, guest):
        guests.set_cookie(response, guest)
    return response


def _guest(person: str) -> str:
    """The guest of a visitor without a cookie and without an account."""
    return guests.new_person() if person.startswith("user:") else person


@never_cache
@require_safe
async def history(request: HttpRequest, label: str) -> JsonResponse:
    """``{"messages": [...], "more": bool}``, the earliest first. 400 for a bad query.

    An answer has up to ``CHAT_HISTORY_SIZE`` bytes, or one message. ``?before=<id>`` returns up to
    50 older messages, ``?after=<id>`` up to 200 newer ones, and no query the last 50. ``more`` says
    whether there are more in that direction. ``?after=<id>&change=<n>`` adds ``changed``, up to 200
    messages up to that id that were edited or deleted since, and ``change`` for the next query.
    """
    room = await Room.objects.filter(label=label).afirst()
    if room is None:
        return _error(
            404, "not_found", f"There is no room at /{label}/; the first socket makes it."
        )
    try:
        before, after, change = (_number(request, key) for key in ("before", "after", "change"))
    except BadQuery as error:
        return _error(400, "bad_query", str(error))
    if before is not None and after is not None:
        return _error(400, "bad_query", "Expected before or after, got both; ask for one.")
    if change is not None and after is None:
        return _error(400, "bad_query", "Expected after with change, got change alone; send both.")
    answer = Answer(settings.CHAT_HISTORY_SIZE)
    if after is None:
        upper = LARGEST_ID if before is None else before
        await _page(answer, Message.objects.older(label, upper, OLDER + 1), OLDER)
        answer.fields["messages"].reverse()
        return _json(answer)
    await _page(answer, Message.objects.newer(label, after, NEWER + 1), NEWER)
    if change is not None:
        await _changes(answer, room, change, after)
    return _json(answer)


async def _page(answer: Answer, found: Any, count: int) -> None:
    """Add the found messages. One more than ``count`` means that there are more."""
    messages = [message async for message in found]
    taken = answer.take("messages", messages, count)
    answer.fields["more"] = len(messages) > len(taken)


async def _changes(answer: Answer, room: Room, since: int, until: int) -> None:
    """Add the changes of messages up to an id. ``more`` is true if not all of them fit."""
    found = Message.objects.changed(room.label, since, until, CHANGED + 1)
    messages = [message async for message in found]
    taken = answer.take("changed", messages, CHANGED)
    if len(messages) > len(taken):
        last = taken[-1].change if taken else since
        answer.fields |= {"change": last, "more": True}
    else:
        answer.fields["change"] = max(room.change, since)


def _json(answer: Answer) -> JsonResponse:
    # Unescaped letters: escapes double the bytes of most scripts and triple those of emoji.
    return JsonResponse(answer.fields, json_dumps_params={"ensure_ascii": False})


def _number(request: HttpRequest, key: str) -> int | None:
    """The number under a key of the query. None without that key. Otherwise ``BadQuery``."""
    value = request.GET.get(key)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID):
        raise BadQuery(f"Expected a number as {key}, got {value[:40]!r}; send digits.")
    return int(value)


def _error(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse({"type": "error", "code": code, "detail": detail}, status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The 404 page: the rules for names of rooms, and a form for one."""
    typed = request.path.strip("/")[: names.NAME_LENGTH]
    context = {"path": request.path[:200], "typed": typed, "rule": names.LABEL_RULE}
    context["name_length"] = str(names.NAME_LENGTH)
    return render(request, "chat/not_found.html", context, status=404)
