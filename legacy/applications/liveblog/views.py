"""How posts are written and read."""

from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from .models import Blog, Post


@csrf_exempt
def blog(request, slug):
    """Show a blog; add a post to it, and make it if need be."""
    if request.method == "POST":
        found, _ = Blog.objects.get_or_create(slug=slug)
        post = found.posts.create(body=request.POST.get("body", ""))
        return JsonResponse(post.as_dict(), status=201)
    posts = get_object_or_404(Blog, slug=slug).posts.order_by("id")
    return JsonResponse({"posts": [post.as_dict() for post in posts]})


@csrf_exempt
def edit(request, slug, number):
    """Change a post."""
    post = get_object_or_404(Post, blog__slug=slug, id=number)
    if request.method == "POST":
        post.body = request.POST.get("body", post.body)
        post.save()
    return JsonResponse(post.as_dict())
