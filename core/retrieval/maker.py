"""Which translator made a vector."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..translator import Translator


def fingerprint(translator: Translator) -> str:
    """64 hexadecimal digits that change with the domains, the bridge, its settings or weights.

    A translator has the same before ``save`` and after ``load``, and however it is to write.
    """
    import torch

    domains = {
        name: (m.name, {key: value for key, value in m.settings().items() if key not in m.writing})
        for name, m in translator.domains.items()
    }
    about = [domains, translator.bridge.name, translator.bridge.settings()]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(translator.bridge.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()
