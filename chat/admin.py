"""Rooms and messages in the admin: find them, and delete what should not be there.

A message deleted here disappears from all open pages too. It leaves a row without text, as when its
author deletes it.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from chat.changes import delete_all
from chat.models import Message, Room

if TYPE_CHECKING:
    RoomModelAdmin = admin.ModelAdmin[Room]
    MessageModelAdmin = admin.ModelAdmin[Message]
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = RoomModelAdmin = MessageModelAdmin = admin.ModelAdmin

#: Longest search text, in characters. The rest is ignored.
SEARCH_LENGTH = 200


class BoundsSearch(AnyModelAdmin):
    """Cuts long search texts."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the matching rows, and whether they may contain duplicates."""
        found: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term[:SEARCH_LENGTH]
        )
        return found


@admin.register(Room)
class RoomAdmin(BoundsSearch, RoomModelAdmin):
    """Rooms, latest activity first. Deleting a room deletes its messages."""

    list_display = ["name", "label", "messages", "active"]
    list_filter = ["active"]
    search_fields = ["name", "label"]
    ordering = ["-active", "label"]
    readonly_fields = ["active"]
    actions = ["empty"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """Rooms with the number of their messages."""
        rooms: QuerySet[Room] = super().get_queryset(request)
        return rooms.annotate(message_count=Count("messages"))

    @admin.display(ordering="message_count")
    def messages(self, room: Room) -> int:
        """The number of messages in the room."""
        count: int = room.message_count  # type: ignore[attr-defined]
        return count

    @admin.action(description="Delete all messages of the selected rooms", permissions=["delete"])
    def empty(self, request: HttpRequest, rooms: QuerySet[Room]) -> None:
        """Delete the messages and keep the rooms."""
        count = delete_all(Message.objects.filter(room__in=rooms.values("pk")))
        self.message_user(request, f"{count} messages were deleted.")


@admin.register(Message)
class MessageAdmin(BoundsSearch, MessageModelAdmin):
    """Messages, latest first. Staff can read and delete them, but not add or change them."""

    list_display = ["timestamp", "room", "handle", "beginning", "person", "deleted"]
    list_display_links = ["timestamp", "beginning"]
    list_filter = ["deleted", "account", "timestamp"]
    list_select_related = ["room"]
    search_fields = ["handle", "message", "room__name", "room__label", "person"]
    search_help_text = "A handle, a word of the message, a room, or a person."
    date_hierarchy = "timestamp"
    ordering = ["-id"]
    exclude = ["nonce", "delivery"]
    actions = ["delete_at_once"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: messages are written in rooms."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Return False: only authors change their messages."""
        return False

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Delete a message, on all open pages too."""
        delete_all(Message.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Delete messages, on all open pages too."""
        delete_all(queryset)

    @admin.action(description="Delete selected messages at once", permissions=["delete"])
    def delete_at_once(self, request: HttpRequest, messages: QuerySet[Message]) -> None:
        """Delete messages without a confirmation page."""
        self.message_user(request, f"{delete_all(messages)} messages were deleted.")

    @admin.display(description="message", ordering="message")
    def beginning(self, message: Message) -> str:
        """The first 100 characters."""
        return message.message[:100]
