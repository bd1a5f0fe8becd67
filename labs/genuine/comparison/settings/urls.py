"""The pages of an application that has none."""

urlpatterns: list[object] = []
