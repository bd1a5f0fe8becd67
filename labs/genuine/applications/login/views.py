"""Accounts, and a value that the session remembers."""

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt
@require_POST
def signup(request):
    """Create an account."""
    name, password = request.POST.get("name", ""), request.POST.get("password", "")
    if not name or not password:
        return JsonResponse({"error": "A name and a password are needed."}, status=400)
    if User.objects.filter(username=name).exists():
        return JsonResponse({"error": "This name is taken."}, status=409)
    User.objects.create_user(name, password=password)
    return JsonResponse({"user": name}, status=201)


@csrf_exempt
@require_POST
def login(request):
    """Log in."""
    user = auth.authenticate(
        request, username=request.POST.get("name"), password=request.POST.get("password")
    )
    if user is None:
        return JsonResponse({"error": "Name or password is wrong."}, status=403)
    auth.login(request, user)
    return JsonResponse({"user": user.username})


@csrf_exempt
@require_POST
def logout(request):
    """Log out, which deletes the session."""
    auth.logout(request)
    return JsonResponse({"user": None})


@csrf_exempt
@require_POST
def password(request):
    """Change the password, which ends all other sessions."""
    if not request.user.is_authenticated or not request.POST.get("password"):
        return JsonResponse({"error": "Log in, and give a password."}, status=403)
    request.user.set_password(request.POST["password"])
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return JsonResponse({"user": request.user.username})


@csrf_exempt
def colour(request):
    """Show the session's colour. A form changes it."""
    if request.method == "POST":
        request.session["colour"] = request.POST.get("colour", "")
    return JsonResponse({"colour": request.session.get("colour")})
