"""Tasks in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks.models import StoredTask
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import Run
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/channels_workers_tasks/storedtask/"


@pytest.fixture
def row(tasks: InMemoryChannelLayer, run: Run) -> StoredTask:
    result = task(functions.fail).enqueue("a needle")
    run()
    return StoredTask.objects.get(pk=result.id)


def act(client: Client, row: StoredTask) -> str:
    fields = {"action": "retry", "_selected_action": str(row.pk)}
    return client.post(LIST, fields, follow=True).content.decode()


def member(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def test_tasks_are_listed_and_shown(admin_client: Client, row: StoredTask) -> None:
    assert "functions.fail" in admin_client.get(LIST).content.decode()
    page = admin_client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert "a needle" in page
    assert 'name="status"' not in page, "nobody changes a row"
    assert admin_client.get(f"{LIST}add/").status_code == 403


def test_a_task_that_failed_runs_again(
    admin_client: Client, row: StoredTask, tasks: InMemoryChannelLayer
) -> None:
    assert f"{row.pk} is sent again" in act(admin_client, row)
    assert len(tasks.pull(["tasks.default"], "worker", 0)) == 1
    assert "has not failed" in act(admin_client, row)


def test_a_retry_needs_its_permission(client: Client, row: StoredTask) -> None:
    assert "is sent again" not in act(member(client, "view_storedtask"), row)
    row.refresh_from_db()
    assert row.status == "FAILED"


def test_one_with_the_permission_may_retry(client: Client, row: StoredTask) -> None:
    allowed = member(client, "view_storedtask", "retry_storedtask")
    assert "is sent again" in act(allowed, row)
