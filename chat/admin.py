"""Rooms and messages in the admin: find them, and delete what should not be there."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from chat.models import Message, Room

if TYPE_CHECKING:
    RoomModelAdmin = admin.ModelAdmin[Room]
    MessageModelAdmin = admin.ModelAdmin[Message]
else:
    RoomModelAdmin = MessageModelAdmin = admin.ModelAdmin


@admin.register(Room)
class RoomAdmin(RoomModelAdmin):
    """Rooms, the latest active first; deleting one deletes what was said in it."""

    list_display = ["name", "label", "messages", "active"]
    list_filter = ["active"]
    search_fields = ["name", "label"]
    ordering = ["-active", "label"]
    readonly_fields = ["active"]
    actions = ["empty"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """Rooms with the number of their messages."""
        return super().get_queryset(request).annotate(message_count=Count("messages"))

    @admin.display(ordering="message_count")
    def messages(self, room: Room) -> int:
        """How many were said in it."""
        count: int = room.message_count  # type: ignore[attr-defined]
        return count

    @admin.action(description="Delete all messages of the selected rooms", permissions=["delete"])
    def empty(self, request: HttpRequest, rooms: QuerySet[Room]) -> None:
        """Delete what was said and keep the rooms."""
        count, _ = Message.objects.filter(room__in=rooms.values("pk")).delete()
        self.message_user(request, f"{count} messages were deleted.")


@admin.register(Message)
class MessageAdmin(MessageModelAdmin):
    """Messages, the latest first; "delete selected" is the moderator's tool."""

    list_display = ["timestamp", "room", "handle", "beginning", "person"]
    list_display_links = ["timestamp", "beginning"]
    list_filter = ["timestamp"]
    list_select_related = ["room"]
    search_fields = ["handle", "message", "room__name", "room__label", "person"]
    search_help_text = "A handle, a word of the message, a room, or a person."
    date_hierarchy = "timestamp"
    ordering = ["-id"]
    raw_id_fields = ["room"]
    readonly_fields = ["timestamp", "person", "nonce", "delivery"]

    @admin.display(description="message", ordering="message")
    def beginning(self, message: Message) -> str:
        """As much as fits into a line."""
        return message.message[:100]
