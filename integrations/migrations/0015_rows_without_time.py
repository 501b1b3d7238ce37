from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The previous release goes on writing meanwhile.
    atomic = False

    dependencies = [
        ('integrations', '0014_index_of_its_own'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='push',
            index=models.Index(condition=models.Q(('next_attempt_at__isnull', True), ('state__in', ('waiting', 'sending', 'unknown'))), fields=['wait_reason', 'connection'], name='push_without_time'),
        ),
    ]
