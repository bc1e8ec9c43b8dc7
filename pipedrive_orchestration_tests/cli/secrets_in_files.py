"""Looking for a secret where it must not be."""

from __future__ import annotations

from pathlib import Path


def files_with(text: str, folder: Path) -> set[str]:
    """Files of a folder that hold the text in some encoding, as paths within it."""
    needles = [text.encode(), text.encode("utf-16-le"), bytes.fromhex(text)]
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    }
