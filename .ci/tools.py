"""Fetch what the full tests need and packages do not bring: today only the browser for tests/ui, when apt is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Install Debian's Chromium when there are browser tests and no browser; 1 when CI must do without."""
    if not any(Path("tests/ui").glob("test_*.py")) or any(map(shutil.which, BROWSERS)):
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "-y", "chromium"]):
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if any(map(shutil.which, BROWSERS)):
        return 0
    sys.stderr.write("the browser tests need Chromium; on Debian: apt install chromium\n")
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
