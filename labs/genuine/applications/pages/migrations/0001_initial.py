"""The tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Notes, uploads, and readers who left."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.AutoField(primary_key=True)),
                ("text", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Upload",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=200)),
                ("size", models.IntegerField()),
                ("digest", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            "Gone",
            [
                ("id", models.AutoField(primary_key=True)),
                ("path", models.CharField(max_length=200)),
            ],
        ),
    ]
