"""The commands of ``pipedrive-orchestration``, a module each, called like the command."""
