"""The key of a customer's registration number holds its country now, and the look before a create relies on it."""

from django.db import migrations

from companies.formats import registration_key

_AT_ONCE = 1000


def work_out_keys(apps, schema_editor):
    """Store the key of each customer anew, in parts; a customer that is read meanwhile gets it anyway."""
    customers = apps.get_model("integrations", "RemoteCustomer").objects.exclude(registration_number="")
    last = 0
    while rows := list(
        customers.filter(pk__gt=last).order_by("pk").only("registration_number", "answered")[:_AT_ONCE]
    ):
        for row in rows:
            country = (row.answered.get("InvoiceCountryCode") or "").strip().upper()
            row.registration_key = registration_key(row.registration_number, country)
        customers.bulk_update(rows, ["registration_key"])
        last = rows[-1].pk


class Migration(migrations.Migration):

    dependencies = [("integrations", "0016_grant_doubted")]

    operations = [migrations.RunPython(work_out_keys, migrations.RunPython.noop)]
