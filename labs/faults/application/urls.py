"""The project under load has no pages."""

urlpatterns: list[object] = []
