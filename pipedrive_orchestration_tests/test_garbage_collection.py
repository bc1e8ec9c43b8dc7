"""Python's search for garbage."""

from __future__ import annotations

import gc

import pytest

from pipedrive_orchestration.garbage_collection import no_garbage_collection


def test_garbage_is_looked_for_again_however_a_block_ends() -> None:
    assert gc.isenabled()
    with no_garbage_collection():
        with no_garbage_collection():
            assert not gc.isenabled()
        assert not gc.isenabled(), "those around it are not at their end"
    assert gc.isenabled()
    with pytest.raises(ImportError), no_garbage_collection():
        raise ImportError
    assert gc.isenabled()
