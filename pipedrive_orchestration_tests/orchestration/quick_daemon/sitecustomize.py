"""Lets the backfill daemon of a live test look every 2 s; Dagster has no setting for its 30 s."""

import sys

if any("dagster._daemon" in argument for argument in sys.orig_argv):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
