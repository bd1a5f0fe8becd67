"""The list of rooms."""

from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .models import Room


@csrf_exempt
def rooms(request):
    """Show the rooms, or create another."""
    if request.method == "POST":
        Room.objects.create(title=request.POST["title"])
    found = [{"id": room.id, "title": room.title} for room in Room.objects.order_by("id")]
    return JsonResponse({"rooms": found})
