"""Where rulesets come from: a folder, or bundles in the database. What is unusable never replaces what was usable."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from moderation.db import Transaction
from moderation.errors import ModerationError, Outage
from moderation.policy.engine import Ruleset
from moderation.rulebook.bundles import compile_texts, read_texts
from moderation.rulebook.in_force import Rules
from moderation.rulebook.pointers import Pointer, stored_texts
from moderation.rulebook.signatures import demand_signature

log = structlog.get_logger()


class Source(Protocol):
    """Where rulesets come from."""

    @property
    def edition(self) -> int:
        """Grows when something changed that no pointer tells."""

    def look(self) -> None:
        """Look for such a change."""

    def rules(self, tx: Transaction, pointer: Pointer, before: Rules | None) -> Rules:
        """The rulesets to choose from; those of `before` where new ones cannot be used. Raises Outage without any."""


def usable(texts: dict[str, str], key: Ed25519PublicKey | None) -> Ruleset:
    """Compile texts and demand their signature. Raises UnusablePolicies, BadSignature."""
    ruleset = compile_texts(texts)
    demand_signature(texts, ruleset.version, key)
    return ruleset


def attempt(compile_: Callable[[], Ruleset], what: str, faults: list[str]) -> Ruleset | None:
    """The ruleset, or None and one more fault: nothing about new rules may stop the old ones."""
    try:
        return compile_()
    except (ModerationError, OSError) as error:
        faults.append(f"{what} cannot be used: {error}")
    except Exception as error:  # noqa: BLE001 (texts that break the compiler are unusable too)
        log.warning("policies_broke", error=type(error).__name__, detail=str(error)[:500])
        faults.append(f"{what} cannot be used: {type(error).__name__}")
    return None


class FolderSource:
    """The folder is the truth; it is read again when it changed and then stayed as it was for one look."""

    def __init__(self, folder: Path, shadow: Path | None, key: Ed25519PublicKey | None) -> None:
        self._folders = (folder, shadow)
        self._key = key
        self._lock = threading.Lock()
        self._seen = self._print()
        self._loaded = self._seen
        self._rules: Rules | None = None
        self._fault = ""
        self.edition = 1

    def look(self) -> None:
        with self._lock:
            now = self._print()
            settled, self._seen = now == self._seen, now
            if settled and now != self._loaded:
                self._load(now)

    def rules(self, tx: Transaction, pointer: Pointer, before: Rules | None) -> Rules:  # noqa: ARG002
        with self._lock:
            if self._rules is None:
                self._load(self._print())
            if self._rules is None:
                raise Outage("policies", self._fault)
            return self._rules

    def _load(self, print_: tuple[object, ...]) -> None:
        self._loaded = self._seen = print_
        folder, shadow = self._folders
        faults: list[str] = []
        read = attempt(lambda: usable(read_texts(folder), self._key), "the folder's policies", faults)
        acting = read or (self._rules.acting if self._rules else None)
        beside = None
        if shadow is not None:
            beside = attempt(lambda: usable(read_texts(shadow), self._key), "the policies for the shadow", faults)
        self._fault = "\n".join(faults)
        if acting is not None:
            self._rules = Rules(acting=acting, shadow=beside, faults=tuple(faults))
        self.edition += 1
        log.info("policies_read", version=acting.version if acting else None, faults=len(faults))

    def _print(self) -> tuple[object, ...]:
        """What tells one state of the folders from another, without reading them."""
        return tuple(
            (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
            for folder in self._folders
            if folder is not None
            for pattern in ("*", "*/*")
            for path in sorted(folder.glob(pattern))
            if path.is_file() and (status := path.stat())
        )


class BundleSource:
    """The pointer is the truth; a bundle is compiled once and never changes."""

    edition = 0
    KEPT = 32

    def __init__(self, key: Ed25519PublicKey | None) -> None:
        self._key = key
        self._compiled: dict[str, Ruleset] = {}

    def look(self) -> None:
        """A pointer tells of everything that changes here."""

    def rules(self, tx: Transaction, pointer: Pointer, before: Rules | None) -> Rules:
        faults: list[str] = []
        acting = self._compile(tx, pointer.acting, faults) or (before.acting if before else None)
        if acting is None:
            raise Outage("policies", "\n".join(faults) or "no policies were ever switched on")
        candidate = self._compile(tx, pointer.candidate, faults)
        return Rules(
            acting=acting,
            candidate=candidate,
            percent=pointer.percent if candidate else 0,
            shadow=self._compile(tx, pointer.shadow, faults),
            faults=tuple(faults),
        )

    def _compile(self, tx: Transaction, bundle: str | None, faults: list[str]) -> Ruleset | None:
        if bundle is None or bundle in self._compiled:
            return self._compiled[bundle] if bundle else None
        texts = stored_texts(tx, bundle)
        return attempt(lambda: self._keep(bundle, texts), f"the bundle {bundle}", faults)

    def compiled(self, tx: Transaction, bundle: str) -> Ruleset:
        """A bundle's ruleset, kept: what was in shadow or judged before costs nothing to switch to.

        Raises UnusablePolicies, BadSignature.
        """
        return self._compiled.get(bundle) or self._keep(bundle, stored_texts(tx, bundle))

    def _keep(self, bundle: str, texts: dict[str, str]) -> Ruleset:
        made = usable(texts, self._key)
        if len(self._compiled) >= self.KEPT:
            self._compiled.clear()
        self._compiled[bundle] = made
        return made
