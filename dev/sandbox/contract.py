"""docs/eaccounting/openapi.yaml, as the sandbox enforces it."""

import functools
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

PATH = Path(__file__).parents[2] / "docs" / "eaccounting" / "openapi.yaml"


@functools.cache
def document() -> dict[str, Any]:
    """Return the whole contract."""
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def properties(schema: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a schema, by name."""
    found: dict[str, dict[str, Any]] = document()["components"]["schemas"][schema]["properties"]
    return found


@functools.cache
def _validator(schema: str) -> Any:  # openapi-schema-validator is untyped
    components = document()["components"]
    return OAS30Validator(
        {"components": components, "$ref": f"#/components/schemas/{schema}"},
        format_checker=oas30_format_checker,
    )


def problems(*, schema: str, value: object, lenient: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Return (field, sentence) for each rule that a value breaks.

    `lenient` names rules of JSON Schema that are not enforced, such as minLength.
    """
    found: dict[str, str] = {}
    for error in _validator(schema).iter_errors(value):
        if error.validator in lenient:
            continue
        name = ".".join(str(part) for part in error.absolute_path) or _named_in(error)
        found.setdefault(name, _sentence(name, error))
    return list(found.items())


def _sentence(name: str, error: Any) -> str:
    """Word a broken rule; a length in the words that were seen of the real service (facts.md, Errors)."""
    if error.validator == "maxLength":
        return f"The field {name} must be a string with a maximum length of {error.validator_value}."
    return f"The field {name or 'body'} is not valid: {error.message}"[:300]


def _named_in(error: Any) -> str:
    """Return the property that a `required` or `additionalProperties` error is about."""
    if error.validator == "required":
        return next(str(name) for name in error.validator_value if name not in error.instance)
    if error.validator == "additionalProperties":
        return ", ".join(sorted(set(error.instance) - set(error.schema.get("properties", ()))))
    return ""
