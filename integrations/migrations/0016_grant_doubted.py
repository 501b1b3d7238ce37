"""When the identity server first refused to renew a connection."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0015_rows_without_time")]

    operations = [
        migrations.AddField("connection", "grant_doubted_at", models.DateTimeField(blank=True, null=True)),
    ]
