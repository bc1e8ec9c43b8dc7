"""The start of a process."""

from __future__ import annotations

import gc

import pytest

from pipedrive_orchestration.startup import many_imports


def test_garbage_is_looked_for_again_after_imports_however_they_end() -> None:
    assert gc.isenabled()
    with many_imports():
        with many_imports():
            assert not gc.isenabled()
        assert not gc.isenabled(), "those around it are not at their end"
    assert gc.isenabled()
    with pytest.raises(ImportError), many_imports():
        raise ImportError
    assert gc.isenabled()
