"""Sweeps: generating, scoring and measuring at many points, in units that survive what happens to a
process."""

from contlm.sweep.result import Sweep

__all__ = ["Sweep"]
