from django.db import migrations, models
from django.db.models import Count, Min


def forget_repeated_nonces(apps, schema_editor):
    """Keep a nonce only at its first message: MySQL has ignored the constraint until now."""
    stored = apps.get_model("chat", "Message").objects.using(schema_editor.connection.alias)
    named = stored.filter(nonce__isnull=False).order_by()
    repeated = named.values("room_id", "person", "nonce").annotate(
        first=Min("id"), count=Count("id")
    )
    for row in list(repeated.filter(count__gt=1)):
        same = stored.filter(room_id=row["room_id"], person=row["person"], nonce=row["nonce"])
        same.exclude(id=row["first"]).update(nonce=None)


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="message", name="chat_message_once_per_nonce"),
        migrations.RunPython(forget_repeated_nonces, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                fields=("room", "person", "nonce"), name="chat_message_once_per_nonce"
            ),
        ),
    ]
