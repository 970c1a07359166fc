"""Lists every vendor that the sandbox plays. Does not know what any of them does.

A new vendor is a module with a function `play`, and a line here; its table on the page is `page_NAME.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from cibeacon.sandbox import (
    dataops,
    dci,
    devlake,
    dx,
    dx_workflow,
    flow,
    otlp,
)
from cibeacon.sandbox.store import Store
from cibeacon.sandbox.vendor import Vendor

Play: TypeAlias = Callable[[Any, Store, Callable[[], float]], Vendor]
"""Makes a vendor from what it holds already (None: the example), the sandbox's store and its clock (Unix seconds)."""

VENDORS: Mapping[str, Play] = {
    "dx": dx.play,
    "dci": dci.play,
    "dataops": dataops.play,
    "flow": flow.play,
    "dx_workflow": dx_workflow.play,
    "otlp": otlp.play,
    "devlake": devlake.play,
}
"""By the name that faults, the ledger and `Sandbox` use."""
