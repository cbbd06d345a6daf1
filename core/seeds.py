"""Seeds that follow from other seeds."""

from __future__ import annotations

import hashlib


def derived_seed(*parts: object) -> int:
    """A seed that depends on all the parts and on nothing else (63 bits)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
