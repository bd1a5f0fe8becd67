"""Views: forms, uploads, streams, files, cookies and conditions."""

import hashlib
import io

from channels import Channel, Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseNotModified,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.utils.timezone import datetime
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import etag, last_modified, require_GET, require_POST

from .models import Note, Upload

#: A piece of the long answers (bytes).
PIECE = b"0123456789abcdef" * 1024


def show(request, words=""):
    """Tell what came."""
    response = JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "words": words,
            "query": request.META["QUERY_STRING"],
            "get": dict(request.GET.lists()),
            "scheme": request.scheme,
            "x": {name: value for name, value in request.META.items() if "HTTP_X_" in name},
        }
    )
    response["X-Page"] = "show"
    return response


@csrf_exempt
def notes(request):
    """List the notes. A form adds one, and is redirected."""
    if request.method == "POST":
        Note.objects.create(text=request.POST.get("text", ""))
        return HttpResponseRedirect("/notes/")
    return JsonResponse({"notes": [note.text for note in Note.objects.order_by("id")]})


def guarded(request):
    """Take no form without a token."""
    return HttpResponse("guarded")


@csrf_exempt
@require_POST
@transaction.atomic
def store(request):
    """Add a note, tell a consumer and all sockets, and fail afterwards if the form says so."""
    note = Note.objects.create(text=request.POST.get("text", ""))
    Channel("pages.note").send({"note": note.pk})
    Group("sockets").send({"text": "stored"})
    if "fail" in request.POST:
        raise RuntimeError("a mistake in a view, after its sends")
    return HttpResponse("stored", status=201)


@csrf_exempt
@require_POST
def upload(request):
    """Take a file."""
    file = request.FILES.get("file")
    if file is None:
        return HttpResponse("no file", status=400)
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    Upload.objects.create(name=file.name, size=file.size, digest=digest.hexdigest())
    return JsonResponse(
        {"name": file.name, "type": file.content_type, "title": request.POST.get("title")}
    )


@csrf_exempt
def raw(request):
    """Take a body as it is, read at once or in pieces."""
    if "pieces" in request.GET:
        body = b"".join(iter(lambda: request.read(10_000), b""))
    else:
        body = request.body
    digest = hashlib.sha256(body).hexdigest()
    return JsonResponse({"method": request.method, "size": len(body), "digest": digest})


def stream(request, number):
    """Answer in pieces."""
    return StreamingHttpResponse((PIECE for _ in range(number)), content_type="text/plain")


def big(request, number):
    """Answer at once with as much."""
    return HttpResponse(PIECE * number, content_type="text/plain")


def file(request):
    """Answer with a file to keep."""
    return FileResponse(io.BytesIO(b"a file"), as_attachment=True, filename="notes.txt")


@etag(lambda request: '"edition-1"')
def edition(request):
    """Have an edition."""
    return HttpResponse("the first edition")


@last_modified(lambda request: datetime(2017, 4, 1))
def dated(request):
    """Have a date."""
    return HttpResponse("of 2017")


def unchanged(request):
    """Say that nothing changed."""
    return HttpResponseNotModified()


@csrf_exempt
def cookies(request):
    """Show the cookies. A form sets two and deletes one."""
    found = {**request.COOKIES, "sessionid": "sessionid" in request.COOKIES}
    response = JsonResponse(dict(sorted(found.items())))
    if request.method == "POST":
        response.set_cookie("colour", request.POST.get("colour", ""), path="/", httponly=True)
        response.set_cookie("lang", "fr", max_age=3600)
        response.delete_cookie("old")
    return response


def count(request):
    """Count in the session."""
    request.session["views"] = request.session.get("views", 0) + 1
    return JsonResponse({"views": request.session["views"]})


def moved(request):
    """Be elsewhere."""
    return HttpResponsePermanentRedirect("/show/?moved=1")


@require_GET
def only_read(request):
    """Take GET and nothing else."""
    return HttpResponse("read")


def empty(request):
    """Answer nothing."""
    return HttpResponse(status=204)


def forbidden(request):
    """Refuse everybody."""
    raise PermissionDenied


def missing(request):
    """Find nothing."""
    raise Http404


def mistake(request):
    """Fail."""
    raise RuntimeError("a mistake in a view")
