"""Read a YAML file as plain data, and turn the problems of a wrong file into plain sentences."""

import json
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pulsatile.engine.errors import InputError

LARGEST_FILE = 1_000_000  # bytes; a study file has a few thousand
LARGEST_DATA = 10 * LARGEST_FILE  # bytes as JSON: aliases of YAML can unfold a small file without end


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: ``22:00`` and ``on`` stay text, ``1e-6`` is a number; a key given twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # a tag such as !!map on a list, which PyYAML refuses
            return super().construct_mapping(node, deep)  # type: ignore[unreachable]
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):  # a list or mapping, whose aliases may unfold without end
                raise yaml.MarkedYAMLError(problem="a key is not plain text", problem_mark=key.start_mark)
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} is given twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (  # the first characters of a scalar of that kind; "" for an empty scalar
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
    ("float", _FLOAT, [*"-+.0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value)  # no octal: 010 is ten


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def parse_yaml(text: str, where: str) -> Any:
    """Return the plain data of a YAML text; `InputError` with line and column when it cannot be parsed."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the text"
        raise InputError(f"{where}: {place} cannot be read as YAML: {error.problem}; correct that line.") from None
    # PyYAML's constructors of explicit tags (!!bool maybe, !!timestamp abc, !!int [1]) fail in many ways
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        explicit = isinstance(error, LookupError | AttributeError | TypeError)
        reason = " ".join(str(error).split())
        reason = "nested too deeply" if isinstance(error, RecursionError) else reason
        reason = "an explicit tag (!!) does not fit its value; leave the tag out" if explicit else reason
        raise InputError(f"{where}: the text cannot be read as YAML: {reason}; see `pulsatile schema`.") from None


def read_mapping(path: Path, kind: str = "study", keys: str = "weeks, population and arms") -> dict[str, Any]:
    """Return the top-level mapping of a YAML file; `InputError` when it cannot be read or is not a mapping.

    ``kind`` of file and example ``keys`` are for the sentences.
    """
    try:
        if path.is_dir():
            raise InputError(
                f"{path}: this is a folder; give the path of a {kind} file, for example {kind.lower()}.yaml."
            )
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(
                f"{path}: this is no plain file; save the {kind} as a file, for example {kind.lower()}.yaml."
            )
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                f"{path}: {path.stat().st_size} bytes are too many for a {kind} file; at most {LARGEST_FILE}."
            )
        text = path.read_text(encoding="utf-8")
    except InputError:  # is a ValueError too
        raise
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file; give the path of a {kind} file, for example {kind.lower()}.yaml."
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8 text; save the {kind} file as UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path!s}: the file cannot be read ({reason}); give another path.") from None
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict) or not data:
        got = "nothing" if not data else f"a {type(data).__name__}"
        raise InputError(f"{path}: the file holds {got} where keys such as {keys} are expected.")
    return data


def as_json(data: dict[str, Any], where: str) -> str:
    """Return the data as JSON; `InputError` when JSON cannot represent them, or their aliases unfold without bound."""
    parts, size = [], 0
    try:
        for part in json.JSONEncoder().iterencode(data):
            parts.append(part)
            size += len(part)
            if size > LARGEST_DATA:
                break
    except TypeError as error:
        raise InputError(f"{where}: {error}; write keys as text and values as text, numbers or lists.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{where}: an alias (*) stands inside what it names; write the values out.") from None
    if size > LARGEST_DATA:
        raise InputError(f"{where}: its aliases unfold to more than {LARGEST_DATA} bytes; write fewer of them.")
    return "".join(parts)


# --- pydantic's errors as sentences ---


def sentences(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """Return one `InputError` with one sentence (line) for each problem that pydantic reports."""
    # pydantic also calls a list too short when its entries failed; the entries have their own sentences
    problems = [dict(e) for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
    # a default that follows from another entry has no value when that entry is wrong
    problems = [e for e in problems if e["type"] != "default_factory_not_called"]
    return InputError("\n".join(dict.fromkeys(_sentence(e, model, where) for e in problems)))


def _sentence(error: dict[str, Any], model: type[BaseModel], where: str) -> str:
    context = error.get("ctx", {})
    cause = context.get("error")
    loc = tuple(part for part in error["loc"] if not str(part).startswith("<") and part != "[key]")
    loc += cause.at if isinstance(cause, InputError) else ()
    path = shorten(field_path(loc), 200)
    got = f"{where}: {path} = {show(error['input'])}" if path else f"{where}: {show(error['input'])}"
    if isinstance(cause, InputError):  # a whole sentence from the engine
        return f"{where}: {path}: {cause}" if path else f"{where}: {cause}"
    match error["type"]:
        case "missing":
            return f"{where}: {path} is missing; add it ({_allowed_keys(model, loc[:-1])})."
        case "extra_forbidden" | "unexpected_keyword_argument":
            allowed = _keys(model, loc[:-1])
            near = get_close_matches(str(loc[-1]), allowed, 1)
            hint = f"did you mean {near[0]}? Allowed are" if near else "allowed are"
            return f"{got} is an unknown key; {hint} {', '.join(allowed)}."
        case "value_error":
            return f"{got} {cause}."
        case "greater_than_equal":
            return f"{got} is too small: it must be at least {_number(context['ge'])}."
        case "greater_than":
            return f"{got} is too small: it must be above {_number(context['gt'])}."
        case "less_than_equal":
            return f"{got} is too large: it must be at most {_number(context['le'])}."
        case "less_than":
            return f"{got} is too large: it must be below {_number(context['lt'])}."
        case "literal_error":
            return f"{got} is not allowed: choose from {str(context['expected']).replace(chr(39), '')}."
        case "finite_number":
            return f"{got} is not a finite number: write a number such as 1.5."
        case "too_short":
            return f"{got} is empty: give at least {context['min_length']}."
        case "string_too_short":
            return f"{got} is empty: write a name."
        case "too_long" | "string_too_long":
            return f"{got} is too long: at most {context['max_length']} are allowed."
    kinds = {
        "int": "a whole number such as 100", "float": "a number such as 1.5", "string": "text",
        "bool": "true or false", "tuple": "a list such as [a, b]", "dict": "a mapping of names to values",
        "model": "a mapping of keys to values", "dataclass": "a mapping of keys to values",
        "mapping": "a mapping of names to values",
    }  # fmt: skip
    wanted = kinds.get(str(error["type"]).partition("_")[0])
    if wanted:
        keys = _keys(model, loc) if "of keys" in wanted else []
        more = f" with the keys {', '.join(keys)}" if keys else ""
        return f"{got} is not allowed here: write {wanted}{more}."
    return f"{got} is not allowed: {error['msg']}."


def field_path(loc: Iterable[int | str]) -> str:
    """Return a location in the usual notation.

    >>> field_path(("arms", 1, "regimen", 0, "dose"))
    'arms[1].regimen[0].dose'
    """
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def show(value: Any) -> str:
    """Return a short text of a value, in one line."""
    return shorten(repr(value) if isinstance(value, str) else "nothing" if value is None else str(value))


def shorten(text: str, most: int = 60) -> str:
    """Return the beginning of a text, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 4] + " ..."


def _entries(kind: Any) -> dict[str, Any]:
    """Return the keys of a model or dataclass, or of the models inside another type, each with its type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return {field.name: field.type for field in fields(kind)}
    return {name: inner for part in get_args(kind) for name, inner in _entries(part).items()}


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed at a location."""
    kind: Any = model
    for part in loc:
        if isinstance(part, str):
            kind = _entries(kind).get(part, kind)  # a name that the user chose: the entries below it are of one kind
    return list(_entries(kind))


def _allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    keys = _keys(model, loc)
    return f"the keys here are {', '.join(keys)}" if keys else "see `pulsatile schema`"
