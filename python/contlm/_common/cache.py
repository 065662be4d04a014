"""Where files go that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """CONTLM_CACHE, or contlm in the user's cache (the XDG rule: $XDG_CACHE_HOME, else ~/.cache).

    The folder need not exist.
    """
    own = os.environ.get("CONTLM_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the rule has relative paths ignored
    return (users if users.is_absolute() else Path.home() / ".cache") / "contlm"
