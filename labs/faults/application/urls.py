"""The pages of the project under load: none."""

urlpatterns: list[object] = []
