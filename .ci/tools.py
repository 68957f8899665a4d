"""Fetch what the full tests need and packages do not bring: today only a browser, when apt is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_TESTS = Path("tests/integration/ui")


def main() -> int:
    """Install Debian's Chromium when there is no browser; 1 when CI must do without, or its tests have moved."""
    if not any(BROWSER_TESTS.glob("test_*.py")):
        sys.stderr.write(f"no browser tests in {BROWSER_TESTS}: say in .ci/tools.py where they are\n")
        return 1
    if any(map(shutil.which, BROWSERS)):
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
