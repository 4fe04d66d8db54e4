"""Dataclasses as JSON: one writer, and one reader that names everything that is wrong with a text.

Fields that have a default may be missing.
"""

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Message = TypeVar("Message")

FILE_ERRORS = (OSError, ValueError, NotImplementedError)
"""What pyarrow raises of files: its own errors are subclasses of these."""


class MessageError(ValueError):
    """A message that cannot be read: what is wrong with it, in one sentence."""


def to_json(message: Any, indent: int | None = None) -> str:
    """A message, an instance of a dataclass, as JSON."""
    return json.dumps(dataclasses.asdict(message), indent=indent)


def from_json(kind: type[Message], text: str | bytes) -> Message:
    """The message of a type in a JSON text. Raises MessageError, which lists everything that does not fit the type."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MessageError(f"not JSON ({error})") from error
    return from_value(kind, value)


def from_value(kind: type[Message], value: object) -> Message:
    """The message of a type in a JSON value. Raises MessageError, which lists everything that does not fit the type."""
    faults: list[str] = []
    message = _build(kind, value, "", faults)
    if faults:
        raise MessageError("; ".join(faults))
    return message


def write_message(place: str, message: Any) -> None:
    """Write a message to a path or URI, at once or not at all. Raises MessageError, which names the place."""
    try:
        files, path = _locate(place)
        with files.open_output_stream(f"{path}.unfinished") as output:
            output.write(to_json(message).encode())
        files.move(f"{path}.unfinished", path)
    except FILE_ERRORS as error:
        raise _make_write_error(place, error) from error


def require_writable(place: str) -> None:
    """Raise MessageError, which names the place, where no message can be written: before an hour of work, not after."""
    try:
        files, path = _locate(place)
        files.open_output_stream(f"{path}.unfinished").close()
        files.delete_file(f"{path}.unfinished")
    except FILE_ERRORS as error:
        raise _make_write_error(place, error) from error


def _make_write_error(place: str, error: Exception) -> MessageError:
    return MessageError(f"{place}: cannot be written ({error})")


def read_message(kind: type[Message], place: str) -> Message:
    """The message of a type at a path or URI. Raises MessageError, which names the place and all that is wrong."""
    try:
        files, path = _locate(place)
        with files.open_input_stream(path) as stream:
            text = stream.read()
    except FILE_ERRORS as error:
        raise MessageError(f"{place}: cannot be read ({error})") from error
    try:
        return from_json(kind, text)
    except MessageError as error:
        raise MessageError(f"{place}: does not fit {kind.__name__}: {error}") from error


def _locate(place: str) -> tuple["FileSystem", str]:
    """The file system of a path or URI, and the path there. Who only exchanges messages need not wait for pyarrow."""
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" in place:
        return FileSystem.from_uri(place)
    return LocalFileSystem(), place


def _build(kind: Any, value: object, place: str, faults: list[str]) -> Any:
    """The value as the type has it; what does not fit is added to the faults, named by its place in the message."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        [only] = [each for each in get_args(kind) if each is not types.NoneType]
        return None if value is None else _build(only, value, place, faults)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, place, faults)
    if origin is Sequence and isinstance(value, list):
        [item] = get_args(kind)
        return [_build(item, each, f"{place}[{number}]", faults) for number, each in enumerate(value)]
    if origin is Mapping and isinstance(value, dict):
        item = get_args(kind)[1]
        return {name: _build(item, each, _below(place, name), faults) for name, each in value.items()}
    if not origin and type(value) is kind:
        return value
    faults.append(f"{place or 'message'}: {_name(kind)} expected, {json.dumps(value)[:60]} found")
    return None


def _build_dataclass(kind: Any, value: object, place: str, faults: list[str]) -> Any:
    if not isinstance(value, dict):
        faults.append(f"{place or 'message'}: {kind.__name__} expected, {json.dumps(value)[:60]} found")
        return None
    fields = _fields(kind)
    faults += [f"{_below(place, name)}: missing" for name in _required_fields(kind) if name not in value]
    faults += [f"{_below(place, name)}: unknown" for name in value if name not in fields]
    built = {name: _build(of, value[name], _below(place, name), faults) for name, of in fields.items() if name in value}
    return None if faults else kind(**built)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@cache
def _required_fields(kind: Any) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _name(kind: Any) -> str:
    names = {Sequence: "a list", Mapping: "an object", str: "a text", int: "a whole number", bool: "true or false"}
    return names.get(get_origin(kind) or kind, getattr(kind, "__name__", str(kind)))
