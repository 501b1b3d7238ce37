"""WSGI entry point. The system checks run first: a wrong setting stops the start with its hint."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")

application = get_wsgi_application()
call_command("check")
