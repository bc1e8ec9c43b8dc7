"""The HTTP API: thin, over what the other folders do."""

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.keys import ApiKey, ApiKeys, InvalidKeysError, new_key
from pipedrive_orchestration.api.settings import ApiSettings

__all__ = ["ApiKey", "ApiKeys", "ApiSettings", "InvalidKeysError", "create_app", "new_key"]
