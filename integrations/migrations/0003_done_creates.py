from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A create asks whether a twin ended after its look."""

    atomic = False  # the index is built beside the running work

    dependencies = [
        ("integrations", "0002_fair_turns"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="push",
            index=models.Index(
                condition=models.Q(("kind", "create"), ("state", "done")),
                fields=["connection", "fingerprint"],
                name="push_done_create",
            ),
        ),
    ]
