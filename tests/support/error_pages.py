"""Every error id that docs/troubleshooting.md explains: those of any sink, and those of each."""

from cibeacon.model.error_ids import ERROR_IDS
from cibeacon.sinks import SINKS

SINK_IDS = {name: set(getattr(sink, "ERROR_IDS", {}).values()) for name, sink in SINKS.items()}
REFUSED = {name: f"{name.replace('_', '-')}-refused" for name in SINKS}
ALL_IDS = ERROR_IDS.union(REFUSED.values(), *SINK_IDS.values())
