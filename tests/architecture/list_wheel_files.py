"""Write `wheel_files.txt`: the tracked files that the wheel is made of. Look at the difference before committing it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    """Write the list, in the order of names inside the wheel."""
    folders = ["moderation", "detectors", "watermark", "review_ui", "policies"]
    command = ["git", "ls-files", *folders]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    inside = sorted(f"moderation/_policies/{name[9:]}" if name.startswith("policies/") else name for name in names)
    (ROOT / "tests" / "architecture" / "wheel_files.txt").write_text("\n".join(inside) + "\n")


if __name__ == "__main__":
    main()
