"""What a modality or bridge promises, checked: run these on yours.

``check_modality(Text(), items)`` and ``check_bridge(Mine(), domains, table)`` raise a
``PluginError`` naming the first clause that is broken, what was found and what is expected.
"""

from .bridge import check_bridge
from .modality import check_modality

__all__ = ["check_bridge", "check_modality"]
