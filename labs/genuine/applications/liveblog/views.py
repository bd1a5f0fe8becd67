"""How posts are written and read."""

from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .models import Blog, Post


@csrf_exempt
def blog(request, slug):
    """Show a blog, or add a post to it. Creates the blog if necessary."""
    if request.method == "POST":
        found, _ = Blog.objects.get_or_create(slug=slug)
        post = found.posts.create(body=request.POST.get("body", ""))
        return JsonResponse(post.as_dict(), status=201)
    if not Blog.objects.filter(slug=slug).exists():
        return not_found()
    posts = Post.objects.filter(blog__slug=slug).order_by("id")
    return JsonResponse({"posts": [post.as_dict() for post in posts]})


@csrf_exempt
def edit(request, slug, number):
    """Change a post."""
    post = Post.objects.filter(blog__slug=slug, id=number).first()
    if post is None:
        return not_found()
    if request.method == "POST":
        post.body = request.POST.get("body", post.body)
        post.save()
    return JsonResponse(post.as_dict())


def not_found():
    """A 404 page whose text does not depend on Django's version."""
    return JsonResponse({"error": "There is nothing of this name."}, status=404)
