"""The command line: thin, over what the other folders do."""

from pipedrive_orchestration.cli.app import main

__all__ = ["main"]
