"""The script that measures the house, as a module."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts/house"
_spec = spec_from_loader("house_script", SourceFileLoader("house_script", str(_SCRIPT)))
house = module_from_spec(_spec)
_spec.loader.exec_module(house)
