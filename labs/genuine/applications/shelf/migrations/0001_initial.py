from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("shelf", models.SlugField(default="new")),
                ("price", models.DecimalField(decimal_places=2, default=0, max_digits=6)),
                ("note", models.TextField(default="")),
            ],
        ),
    ]
