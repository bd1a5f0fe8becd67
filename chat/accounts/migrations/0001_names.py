import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from chat.accounts.lookalikes import KEY_LENGTH, key_of


def keep_names(apps, schema_editor):
    """Reserve the names of existing accounts. Of lookalikes the first one keeps its name."""
    alias = schema_editor.connection.alias
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.using(alias)
    first = {}
    for pk, username in users.order_by("pk").values_list("pk", "username"):
        first.setdefault(key_of(username), pk)
    name = apps.get_model("accounts", "Name")
    kept = [name(user_id=pk, key=key) for key, pk in first.items() if len(key) <= KEY_LENGTH]
    name.objects.using(alias).bulk_create(kept, batch_size=500)


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Name",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("key", models.CharField(max_length=200, unique=True)),
            ],
        ),
        migrations.RunPython(keep_names, migrations.RunPython.noop),
    ]
