"""ASGI entry point, for hosts that speak nothing else. The system checks run first, as in wsgi.py."""

import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")

application = get_asgi_application()
call_command("check")
