"""Refuses a torch that the native module was not built against, before its symbols fail to
resolve."""

from __future__ import annotations


def major_minor(version: str) -> tuple[int, int]:
    """(2, 13) of "2.13.0+cpu"."""
    major, minor = version.split("+")[0].split(".")[:2]
    return int(major), int(minor)


def require_matching_torch(built: str, found: str) -> None:
    """Raises ImportError unless both versions share major.minor: torch's C++ ABI changes between
    minors."""
    if major_minor(built) != major_minor(found):
        wanted = ".".join(map(str, major_minor(built)))
        raise ImportError(
            f"contlm was built against torch {built} and must run with torch {wanted}.*, but the "
            f"installed torch is {found}. Install the matching one (pip install "
            f"'torch=={wanted}.*') or rebuild contlm for this one (pip install "
            "--no-build-isolation --no-deps --force-reinstall . in its source folder)."
        )
