"""The URLs of an application without pages."""

urlpatterns: list[object] = []
