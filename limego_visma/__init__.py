"""The composition: settings, URLs, workers. It may import everything, nobody imports it."""

import sys

# Before anything else: Windows lacks signals, locks and users that half of the product needs.
if sys.platform == "win32":
    sys.exit("Lime Go runs on Linux and macOS. On Windows, run it inside WSL 2 (in PowerShell: wsl --install).")

from limego_visma.celery import app as celery_app

__version__ = "0.1.0"
__all__ = ["celery_app"]
