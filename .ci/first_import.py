"""Import what every process of the service imports, so that its bytecode is kept and no start compiles it again.

An environment may tell Python to keep none (PYTHONDONTWRITEBYTECODE), and `make install` has pip compile nothing:
all the packages would take 70 MB, these take a third of that. Must run in the environment it is for.
"""

import sys
from importlib import import_module

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


def main() -> None:
    """Import them all, and let Python keep what it compiles."""
    sys.dont_write_bytecode = False
    for name in IMPORTED:
        import_module(name)


if __name__ == "__main__":
    main()
