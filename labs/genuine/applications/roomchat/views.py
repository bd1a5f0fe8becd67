"""The page of a room."""

from django.http import JsonResponse

from .models import Room


def room(request, label):
    """Show the last 50 messages, the most recent last. The first visit creates the room."""
    found, _ = Room.objects.get_or_create(label=label, defaults={"name": label})
    last = list(found.messages.order_by("-id")[:50])
    return JsonResponse(
        {"room": found.name, "messages": [message.as_dict() for message in reversed(last)]}
    )
