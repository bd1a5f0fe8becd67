"""Pages whose effects sockets can see."""

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt
@require_POST
def enter(request):
    """Log in under a name without proof. This is a tutorial."""
    user, _ = User.objects.get_or_create(username=request.POST["name"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return JsonResponse({"user": user.username})


def visit(request):
    """Count the pages that the visitor has seen."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})
