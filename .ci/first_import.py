"""Import what every process of the service imports, so that its bytecode is kept and no start compiles it again.

An environment may tell Python to keep none (PYTHONDONTWRITEBYTECODE), and `make install` has pip compile nothing:
all the packages would take 70 MB, these take a third of that. Must run in the environment it is for.
"""

import shutil
import sys
from importlib import import_module
from pathlib import Path
from sysconfig import get_path

#: The service's processes, and what they import only when they need it.
IMPORTED = (
    "review_ui.app",
    "moderation.assembly",
    "moderation.cli",
    "moderation.demo",
    "moderation.working",
    "moderation.sandbox.child",
    "uvicorn",
    "alembic.command",
    "cryptography.x509",
    "onnx",
    "onnxruntime",
)
#: Compiled with the environment, and of no use to a service: 12 MB.
INSTALLERS = ("pip", "pkg_resources", "setuptools")


def main() -> None:
    """Import them all, and let Python keep what it compiles; drop the bytecode of what only installs."""
    sys.dont_write_bytecode = False
    for name in IMPORTED:
        import_module(name)
    for package in INSTALLERS:
        for place in [*Path(get_path("purelib"), package).rglob("__pycache__")]:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
