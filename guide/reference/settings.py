"""The page on settings: every `TD3_` variable that the service reads."""

from pydantic import AliasChoices, ByteSize
from pydantic.fields import FieldInfo

from api.settings import Settings
from guide.reference.markdown import code, table
from guide.reference.schema import describe_bounds, describe_type


def settings_page() -> str:
    """Variables with default, type, bounds and meaning."""
    schema = Settings.model_json_schema(by_alias=False)
    rows = []
    for name, field in Settings.model_fields.items():
        described = schema["properties"][name]
        definitions = schema.get("$defs", {})
        rows.append(
            (
                ", ".join(code(variable) for variable in _variables(name, field)),
                _default(field),
                _type(field) or describe_type(described, definitions),
                describe_bounds(described, definitions, without=("pattern",) if _type(field) else ()),
                field.description or "",
            )
        )
    text = table(("variable", "default", "type", "bounds", "description"), rows)
    return f"""# Settings

API, worker, keeper and migrations are configured by environment variables alone. A variable that is not set has its
default; the defaults are those of the embedded profile, which needs no configuration. A value that is not valid stops
the process at its start, with an error that names the variable. A number of bytes may have a unit: `256MiB`, `8GB`.

{text}
The command `td3` reads `TD3_URL`, the address of the service (see [Command line](cli.md)). The S3 client of a bucket
reads the usual `AWS_...` variables (see [Deploy](../how-to/deploy.md)).
"""


def _variables(name: str, field: FieldInfo) -> list[str]:
    """The names a setting is read from, in the order in which they are looked for."""
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [f"TD3_{name.upper()}"]


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see description"
    if field.default is None:
        return "not set"
    if isinstance(field.default, ByteSize):
        return code(field.default.human_readable().replace(".0", ""))
    return code(field.default)


def _type(field: FieldInfo) -> str | None:
    """What JSON has no word for."""
    return "bytes" if "ByteSize" in str(field.annotation) else None
