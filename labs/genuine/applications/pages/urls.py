"""The pages."""

from django.urls import include, path

from . import views

urlpatterns = [
    path("", include("login.urls")),
    path("show/", views.show),
    path("views/<str:words>/", views.show),
    path("notes/", views.notes),
    path("guarded/", views.guarded),
    path("store/", views.store),
    path("upload/", views.upload),
    path("raw/", views.raw),
    path("stream/<int:number>/", views.stream),
    path("big/<int:number>/", views.big),
    path("file/", views.file),
    path("edition/", views.edition),
    path("dated/", views.dated),
    path("unchanged/", views.unchanged),
    path("cookies/", views.cookies),
    path("count/", views.count),
    path("moved/", views.moved),
    path("only-read/", views.only_read),
    path("empty/", views.empty),
    path("forbidden/", views.forbidden),
    path("missing/", views.missing),
    path("mistake/", views.mistake),
]
