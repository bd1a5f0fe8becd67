"""Pages that change books, too."""

from django.db import transaction
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Book


@csrf_exempt
@require_POST
def add(request):
    """Add a book."""
    book = Book.objects.create(title=request.POST.get("title", ""))
    return JsonResponse({"id": book.id}, status=201)


@csrf_exempt
@require_POST
@transaction.atomic
def add_and_undo(request):
    """Add a book and roll that back."""
    Book.objects.create(title=request.POST.get("title", ""))
    transaction.set_rollback(True)
    return JsonResponse({}, status=409)


@csrf_exempt
@require_POST
def edit(request, number):
    """Move a book to a shelf."""
    book = Book.objects.filter(id=number).first()
    if book is None:
        return JsonResponse({"error": "There is no such book."}, status=404)
    book.shelf = request.POST.get("shelf", book.shelf)
    book.save()
    return JsonResponse({"id": book.id})


@csrf_exempt
@require_POST
def delete(request, number):
    """Delete a book, if there is one."""
    Book.objects.filter(id=number).delete()
    return JsonResponse({})
