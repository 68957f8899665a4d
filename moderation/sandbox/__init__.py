"""The border to untrusted files: they are opened in a confined child process only, never in a service's own.

A child is imported through here, so nothing of the parent's side is loaded before it is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moderation.sandbox.border import Sandbox as Sandbox
    from moderation.sandbox.confinement import Confinement as Confinement
    from moderation.sandbox.orders import MarkOrder as MarkOrder

__all__ = ["Confinement", "MarkOrder", "Sandbox"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from moderation.sandbox import border, orders  # noqa: PLC0415  a child must not load the parent's side

        return getattr(orders if name == "MarkOrder" else border, name)
    raise AttributeError(name)
