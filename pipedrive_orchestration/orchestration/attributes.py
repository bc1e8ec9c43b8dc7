"""What a ``defs.yaml`` says of a project's account and database."""

import re
from typing import Annotated

import dagster as dg
from pydantic import AfterValidator, InstanceOf

from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.settings import Settings, read_variables

_DEFAULTS = Settings().model_dump()
_REFERENCE = re.compile(r"\s*\{\{\s*env\.(\w+)\s*\}\}\s*")


def _variable(context: dg.ResolutionContext, written: str | None) -> dg.EnvVar | None:  # noqa: ARG001 - the framework's signature
    """The variable that holds a secret; the secret itself never becomes part of a definition."""
    if written is None:
        return None
    reference = _REFERENCE.fullmatch(written)
    if reference is None:
        raise ValueError(
            "A secret is written as '{{ env.NAME }}', the variable that holds it; what else stands here, "
            "Dagster would show to everybody."
        )
    return dg.EnvVar(reference[1])


def _secret(description: str) -> dg.Resolver:
    return dg.Resolver(
        _variable,
        model_field_type=str | None,
        description=description,
        examples=["{{ env.ACME_PIPEDRIVE_API_TOKEN }}"],
        inject_before_resolve=False,
    )


def text(description: str, example: str) -> dg.Resolver:
    """A field of an attribute whose value may be written as it is, or as ``{{ env.NAME }}``."""
    resolver: dg.Resolver = dg.Resolver.default(description=description, examples=[example])
    return resolver


def _checked_prefix(written: str) -> str:
    # The file is checked before its templates are filled in, and once more afterwards.
    return written if "{{" in written else DagsterNames(written).prefix


Prefix = Annotated[
    str,
    AfterValidator(_checked_prefix),
    text("Begins every asset key, and tells the names of several accounts apart.", "acme"),
]
"""The asset key prefix of an account."""


class ConnectionAttributes(dg.Model, dg.Resolvable):
    """A Pipedrive account: an API token, or an installed app with the three ``oauth_`` fields.

    In Python a secret is given as ``dg.EnvVar("NAME")``.
    """

    api_token: Annotated[
        InstanceOf[dg.EnvVar] | None, _secret("Token of a user who may see what is imported.")
    ] = None
    api_url: Annotated[str | None, text("Base address, without /api/v2.", "https://acme.pipedrive.com")] = (
        None
    )
    oauth_client_id: Annotated[
        str | None, text("The installed app to sign in as.", "{{ env.ACME_PIPEDRIVE_OAUTH_CLIENT_ID }}")
    ] = None
    oauth_client_secret: Annotated[InstanceOf[dg.EnvVar] | None, _secret("The secret of the app.")] = None
    oauth_refresh_token: Annotated[
        InstanceOf[dg.EnvVar] | None, _secret("What the installation of the app gave.")
    ] = None
    oauth_url: Annotated[
        str | None, text("Where the tokens of the app are refreshed.", "https://oauth.pipedrive.com")
    ] = None

    def variables(self) -> dict[str, str]:
        """The variables that hold the secrets, by field of the settings."""
        return {field: secret.env_var_name for field, secret in self._secrets().items() if secret}

    def settings(self) -> dict[str, object]:
        """The fields of the settings that say which account it is, those too that say that it is no other."""
        plain = {field: getattr(self, field) for field in ("api_url", "oauth_client_id", "oauth_url")}
        known = read_variables()
        secret = {field: known.get(named) for field, named in self.variables().items()}
        none = dict.fromkeys(self._secrets())
        return {**none, **secret, **{field: value or _DEFAULTS[field] for field, value in plain.items()}}

    def _secrets(self) -> dict[str, dg.EnvVar | None]:
        return {
            "api_token": self.api_token,
            "oauth_client_secret": self.oauth_client_secret,
            "oauth_refresh_token": self.oauth_refresh_token,
        }


class WarehouseAttributes(dg.Model, dg.Resolvable):
    """The database of an account, which shares it with no other account; paths are from the dg project."""

    database: Annotated[
        str, text("The DuckDB file, or a database that DuckDB connects to.", "data/acme.duckdb")
    ]
    data: Annotated[
        str | None,
        text("Where a lake keeps its files, and no other lake does; beside its catalogue.", "s3://crm/acme"),
    ] = None
    staging: Annotated[
        str | None, text("The folder of pages that are not yet committed; beside the file.", "data/staging")
    ] = None
    publish: Annotated[
        str | None, text("Where a copy for other programs is kept fresh.", "data/acme_copy.duckdb")
    ] = None
    publish_every: Annotated[
        float | None, dg.Resolver.default(description="Seconds between two copies.", examples=[300])
    ] = None

    def settings(self) -> dict[str, object]:
        """The fields of the settings that say which database it is."""
        return {
            "warehouse": self.database,
            "warehouse_data": self.data,
            "staging": self.staging,
            "publish": self.publish,
            "publish_every": _DEFAULTS["publish_every"] if self.publish_every is None else self.publish_every,
        }
