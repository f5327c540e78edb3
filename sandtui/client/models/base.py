"""What every model of the API has in common."""

from pydantic import AliasGenerator, BaseModel, ConfigDict

_UPPER_CASE_WORDS = {"gb": "GB"}


def camel(name: str) -> str:
    """Return the camelCase spelling of a field: ``memory_gb`` becomes ``memoryGB``.

    Sandbox objects come back in camelCase and everything else in snake_case (wire.md 2.2).
    """
    first, *rest = name.split("_")
    return first + "".join(_UPPER_CASE_WORDS.get(word, word.capitalize()) for word in rest)


class WireModel(BaseModel):
    """A reply of the platform: unknown fields are ignored, both spellings of a name are read."""

    model_config = ConfigDict(
        extra="ignore",
        populate_by_name=True,
        alias_generator=AliasGenerator(alias=camel),
        frozen=True,
    )


class Nothing(WireModel):
    """A reply whose body does not matter."""


class RequestModel(BaseModel):
    """Something that we send: a misspelt field is an error and never dropped in silence."""

    # Inputs stay out of error texts, since some of them are secrets.
    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)
