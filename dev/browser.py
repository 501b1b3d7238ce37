"""Make sure that the browser tests find a Chromium: `python -m dev.browser`."""

import os
import shutil
import subprocess
import sys

# The last two: where macOS keeps it, which is not on the PATH.
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = """The browser tests need Chromium, and it could not be installed from here.
Install it (Debian, Ubuntu: sudo apt-get install chromium; macOS: brew install --cask chromium) and run this again,
or leave those tests out: make test ARGS='-m "not browser"'"""


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _install() -> None:
    """Install Debian's Chromium where we may: as root, with apt-get."""
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        subprocess.run(
            command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=sys.stderr, check=False
        )  # fixed words


def main() -> int:
    """Install Chromium when it is missing; return the exit status."""
    if chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write("Installing Chromium for the browser tests (once) …\n")
        _install()
    if chromium() is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
