from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_names")]

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=40)),
                ("time", models.DateTimeField(db_index=True)),
            ],
            options={
                "indexes": [models.Index(fields=["key", "time"], name="accounts_attempt_key")],
            },
        ),
    ]
