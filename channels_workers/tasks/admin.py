"""Tasks in the admin: find one, read its errors, let it run again, or delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.recovery import run_again
from channels_workers.tasks.rows import LARGE

if TYPE_CHECKING:
    TaskModelAdmin = admin.ModelAdmin[StoredTask]
else:
    TaskModelAdmin = admin.ModelAdmin


@admin.register(StoredTask)
class StoredTaskAdmin(TaskModelAdmin):
    """The rows of tasks. Nobody adds or changes one here."""

    list_display = ("path", "status", "queue", "enqueued_at", "finished_at", "attempts")
    list_filter = ("status", "queue", "backend")
    search_fields = ("path", "id")
    ordering = ("-enqueued_at",)
    show_full_result_count = False
    actions = ("retry",)
    exclude = ("effects", "message_id", "unsent_since")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredTask]:
        """Return the rows, without what may be large; a page of one row reads that."""
        found: QuerySet[StoredTask] = super().get_queryset(request)
        return found.defer(*LARGE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a task here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: StoredTask | None = None) -> bool:
        """Nobody changes a row here."""
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether the user may let tasks run again: permission ``retry_storedtask``."""
        return request.user.has_perm("channels_workers_tasks.retry_storedtask")

    @admin.action(description="Run the selected tasks again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[StoredTask]) -> None:
        """Let the selected tasks run again that have failed, and say what becomes of each."""
        for row in queryset:
            if row.status == "FAILED":
                self.message_user(request, f"{row.path} {row.pk} {run_again(row)}")
            else:
                self.message_user(request, f"{row.path} {row.pk} has not failed")
