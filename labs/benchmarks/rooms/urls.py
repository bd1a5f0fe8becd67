"""The pages of the rooms: none."""

urlpatterns: list[object] = []
