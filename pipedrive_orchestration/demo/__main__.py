"""Starts a demo account as a process: ``python -m pipedrive_orchestration.demo --port 9500``.

The first line of output is ``PIPEDRIVE_API_URL=... PIPEDRIVE_API_TOKEN=...``; then the account answers
until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pipedrive_orchestration.demo.faults import Fault, Faults
from pipedrive_orchestration.demo.journal import JournalError, birth_in
from pipedrive_orchestration.demo.server import Server, api_of, listening_socket, url_of
from pipedrive_orchestration.demo.settings import Settings

_PARENT_CHECK_SECONDS = 0.5
_DEFAULTS = Settings()


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be greater than 0, not {text}")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 65535, not {text}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipedrive_orchestration.demo",
        description="A strict local Pipedrive with the data of an invented business, on 127.0.0.1.",
    )
    parser.add_argument("--port", type=_port, default=9500, help="0 takes a free port (default 9500)")
    parser.add_argument(
        "--scale",
        type=_positive,
        help=f"multiplies the records; {_DEFAULTS.scale:g}, or that of the journal's account, if not given",
    )
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="the same seed gives the same data")
    parser.add_argument("--latency-ms", type=_not_negative, default=0, help="holds every answer back")
    parser.add_argument(
        "--burst", type=_not_negative, default=_DEFAULTS.burst, help="requests per 2 s; 0 for no limit"
    )
    parser.add_argument(
        "--daily-tokens", type=_not_negative, default=0, help="tokens per day; 0 for no limit"
    )
    parser.add_argument(
        "--faults",
        type=Faults.parse,
        metavar="SHARE[:NAME,...]",
        help=f"spoils that share of the answers, such as 0.05; names: {', '.join(Fault)}",
    )
    parser.add_argument("--journal", type=Path, help="file that keeps the account and all changes to it")
    parser.add_argument(
        "--until-parent-exits", action="store_true", help="stop when the starting process is gone"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the account until it is told to stop.

    Returns:
        0 after a clean stop, 2 if it could not start.
    """
    chosen = _parser().parse_args(arguments)
    parent = os.getppid() if chosen.until_parent_exits else None
    try:
        _serve(_settings(chosen), parent)
    except JournalError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command prints
        return 2
    except OSError as error:
        print(f"Port {chosen.port} of 127.0.0.1 cannot be used: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _settings(chosen: argparse.Namespace) -> Settings:
    return Settings(
        port=chosen.port,
        seed=chosen.seed,
        scale=chosen.scale or _scale_in(chosen.journal),
        latency_ms=chosen.latency_ms,
        burst=chosen.burst,
        daily_tokens=chosen.daily_tokens,
        journal=chosen.journal,
        faults=chosen.faults and replace(chosen.faults, seed=chosen.seed),
    )


def _scale_in(journal: Path | None) -> float:
    birth = birth_in(journal) if journal else None
    return birth.scale if birth else _DEFAULTS.scale


def _serve(settings: Settings, parent: int | None) -> None:
    with listening_socket(settings.port) as listener:
        api = api_of(settings)
        address = f"PIPEDRIVE_API_URL={url_of(listener)} PIPEDRIVE_API_TOKEN={settings.token}"
        server = Server(api, lambda: print(address, flush=True))  # noqa: T201

        def stop(_signal: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn sends itself the signal again once it has stopped; here that must not end the process.
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if parent is not None:
            threading.Thread(target=_stop_without, args=(parent, server), daemon=True).start()
        server.run(sockets=[listener])
        if api.journal is not None:
            api.journal.close()


def _stop_without(parent: int, server: Server) -> None:
    ticker = threading.Event()
    while os.getppid() == parent:
        ticker.wait(_PARENT_CHECK_SECONDS)
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
