from django.conf import settings
from django.db import migrations

from chat.accounts.lookalikes import key_of


def make_keys_anew(apps, schema_editor):
    """Remove blanks from the keys. Of two lookalike accounts the first one keeps its key."""
    alias = schema_editor.connection.alias
    names = apps.get_model("accounts", "Name").objects.using(alias)
    known = set(names.values_list("key", flat=True))
    for name in names.select_related("user").order_by("pk").iterator():
        key = key_of(name.user.username)
        if key != name.key and key not in known:
            known.add(key)
            names.filter(pk=name.pk).update(key=key)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_attempts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(make_keys_anew, migrations.RunPython.noop)]
