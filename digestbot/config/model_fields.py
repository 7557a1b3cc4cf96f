"""Facts about the configuration's keys, from its models: which are secret, which are lists, and which a section has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from digestbot.config.root import config_model


def secret_keys() -> frozenset[str]:
    """Return the names of all keys that hold a single secret, which may therefore come from a file."""
    return frozenset(
        name for model in _models() for name, field in model.model_fields.items() if _is_secret(field.annotation)
    )


def list_keys() -> frozenset[str]:
    """Return the names of all keys that are lists of texts. Times and schedules are excluded: they contain commas."""
    return frozenset(
        name
        for model in _models()
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is tuple and name not in ("schedule", "quiet_hours")
    )


def section_at(where: Sequence[str], raw: dict[str, Any]) -> type[BaseModel] | None:
    """Return the model of the section at that place; None if it is no section. ``raw`` tells the section's kind."""
    annotation: Any = config_model()
    value: Any = raw
    for part in where:
        value = value.get(part) if isinstance(value, dict) else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(part)
            annotation = field.annotation if field is not None else None
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
        annotation = _chosen(annotation, value)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _chosen(annotation: Any, value: Any) -> Any:
    """Return the member of a union that the value selects by its kind or platform; the first if it selects none."""
    members = [one for one in _members(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    if not members:
        return annotation
    for name in ("kind", "platform"):
        for member in members:
            if name in member.model_fields and isinstance(value, dict):
                (wanted, *_) = get_args(member.model_fields[name].annotation) or (None,)
                if wanted == value.get(name):
                    return member
    return members[0]


def _models() -> Iterator[type[BaseModel]]:
    """Return an iterator over every section's model, each once."""
    seen: set[type[BaseModel]] = set()

    def walk(annotation: Any) -> Iterator[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in seen:
                seen.add(annotation)
                yield annotation
                for field in annotation.model_fields.values():
                    yield from walk(field.annotation)
            return
        for one in get_args(annotation):
            yield from walk(one)

    return walk(config_model())


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, or the annotation itself if it is not a union."""
    if get_args(annotation) and get_origin(annotation) not in (dict, tuple):
        for one in get_args(annotation):
            yield from _members(one)
    else:
        yield annotation


def _is_secret(annotation: Any) -> bool:
    return any(isinstance(one, type) and issubclass(one, SecretStr) for one in _members(annotation))
