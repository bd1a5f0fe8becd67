"""The rooms have no pages."""

urlpatterns: list[object] = []
