"""The end of a program's process."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

_PROGRAM = dedent("""
    import atexit, sys, threading
    from pipedrive_orchestration.process_exit import run_to_exit

    class Found:
        def __init__(self):
            self.itself = self

        def __del__(self):
            print("garbage was looked for")

    kept = [Found()]
    del Found
    atexit.register(print, "what was registered before")

    def late():
        threading.main_thread().join()  # which ends when the program has
        print("a thread")

    def program():
        atexit.register(print, "what was registered within")
        threading.Thread(target=late).start()
        print("the program")
        {ending}

    {begin}
""")

_ENDED = ["the program", "a thread", "what was registered within", "what was registered before"]


def _ended(begin: str, ending: str = "pass", **streams: int) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    program = _PROGRAM.format(begin=begin, ending=ending)
    return subprocess.run([sys.executable, "-I", "-c", program], text=True, check=False, **streams)  # type: ignore[call-overload,no-any-return]


def test_python_itself_looks_for_garbage_at_the_end() -> None:
    assert _ended("program()").stdout.splitlines() == [*_ENDED, "garbage was looked for"]


@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(0)", 0), ("sys.exit(3)", 3), ("sys.exit(-1)", 255)],
)
def test_all_but_that_is_done_and_the_exit_code_is_the_programs(ending: str, exit_code: int) -> None:
    ended = _ended("run_to_exit(program)", ending)
    assert (ended.returncode, ended.stdout.splitlines(), ended.stderr) == (exit_code, _ENDED, "")


@pytest.mark.parametrize(
    ("ending", "exit_code", "said"),
    [("sys.exit('a sentence')", 1, "a sentence"), ("raise ValueError('odd')", 1, "ValueError: odd")],
)
def test_an_end_with_words_or_an_error_is_pythons_own(ending: str, exit_code: int, said: str) -> None:
    ended = _ended("run_to_exit(program)", ending)
    assert ended.returncode == exit_code
    assert said in ended.stderr
    assert ended.stdout.splitlines()[: len(_ENDED)] == _ENDED


def test_output_that_cannot_be_written_is_said_by_python() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ended = _ended("run_to_exit(program)", stdout=full.fileno())
    assert ended.returncode == 120
    assert "No space left on device" in ended.stderr
