"""Every push holds what a person confirmed; what newer sheets confirm meanwhile, and what an update left there."""

from django.db import migrations, models
from django.db.models import Value

# Rows that were to send "today's data": of those that were sent, what was sent is what they stand for; those that wait
# end, because nobody has ever seen what they would send. One that failed holds nothing that could be repeated.
# A row that is changed twice in one transaction leaves checks of its references for the end, and a table with checks
# left cannot be altered: so they are made before.
CONFIRM = """
update integrations_push
   set state = 'cancelled', finished_at = now(), next_attempt_at = null, lease_until = null, fence = fence + 1
 where confirmed is null and state = 'waiting';
update integrations_push p
   set confirmed = case when state in ('sending', 'unknown') then coalesce("values", '{}') else '{}' end,
       is_private_person = case when kind = 'create' then
           (select c.is_private_person from companies_company c where c.id = p.company_id) end
 where confirmed is null;
update integrations_push
   set based_on = case when state in ('sending', 'unknown') and kind = 'update' then coalesce(before, '{}')
                       else '{}' end
 where based_on is null;
set constraints all immediate;
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0011_confirmed_kind")]

    operations = [
        migrations.RunSQL(CONFIRM, migrations.RunSQL.noop),
        migrations.AlterField(
            "push", "confirmed", models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
        ),
        migrations.AlterField(
            "push", "based_on", models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
        ),
        migrations.RemoveField("push", "groups"),
        migrations.RemoveField("push", "again_at"),
        migrations.AddField(
            "push", "again", models.JSONField(default=list, db_default=Value([], models.JSONField()))
        ),
        migrations.AddField("push", "read_at", models.DateTimeField(null=True, blank=True)),
        migrations.AddField("push", "after", models.JSONField(null=True, blank=True)),
    ]
