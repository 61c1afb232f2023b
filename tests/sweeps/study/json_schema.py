"""A small checker of JSON schemas (2020-12): the keywords that the schema of study files uses, and no other."""

import re
from collections.abc import Iterator
from typing import Any

ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "examples"}
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
    "integer": int,
}  # fmt: skip


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield a sentence for each keyword that the value breaks."""
    for keyword, wanted in schema.items():
        if keyword not in ANNOTATIONS:
            yield from KEYWORDS[keyword](value, wanted, schema, root, path)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]


def _items(value: Any, wanted: Any, schema: Any, root: Any, path: str) -> Iterator[str]:
    for k, item in enumerate(value if isinstance(value, list) else ()):
        if k >= len(schema.get("prefixItems", ())):
            yield from errors(item, wanted, root, f"{path}[{k}]")


def _prefix(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for k, (item, part) in enumerate(zip(value, wanted, strict=False) if isinstance(value, list) else ()):
        yield from errors(item, part, root, f"{path}[{k}]")


def _properties(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for name in wanted if isinstance(value, dict) else ():
        if name in value:
            yield from errors(value[name], wanted[name], root, f"{path}.{name}")


def _others(value: Any, wanted: Any, schema: Any, root: Any, path: str) -> Iterator[str]:
    patterns = schema.get("patternProperties", ())
    for name in value if isinstance(value, dict) else ():
        if name not in schema.get("properties", ()) and not any(re.search(p, name) for p in patterns):
            if wanted is False:
                yield f"{path}.{name}: unknown key"
            elif wanted is not True:
                yield from errors(value[name], wanted, root, f"{path}.{name}")


def _patterns(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        for pattern, part in wanted.items():
            if re.search(pattern, name):
                yield from errors(value[name], part, root, f"{path}.{name}")


def _names(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        yield from errors(name, wanted, root, f"{path}.{name}")


def _some(least: int, most: int) -> Any:
    def check(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
        found = [list(errors(value, part, root, path)) for part in wanted]
        fits = sum(not problems for problems in found)
        if not least <= fits <= (most or len(wanted)):
            yield min(found, key=len)[0] if not fits else f"{path}: {fits} alternatives fit"

    return check


def _not(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    if not list(errors(value, wanted, root, path)):
        yield f"{path}: excluded"


def _ref(value: Any, wanted: str, _: Any, root: Any, path: str) -> Iterator[str]:
    yield from errors(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)


def _all(value: Any, wanted: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for part in wanted:
        yield from errors(value, part, root, path)


def _plain(kind: Any, fits: Any) -> Any:
    def check(value: Any, wanted: Any, schema: Any, _: Any, path: str) -> Iterator[str]:
        keyword = next(name for name, rule in KEYWORDS.items() if rule is check)
        if isinstance(value, kind) and not isinstance(value, bool) and not fits(value, wanted):
            yield f"{path} = {value!r}: {keyword} {wanted!r}"

    return check


def _type(value: Any, wanted: str, _: Any, root: Any, path: str) -> Iterator[str]:
    if not _is(value, wanted):
        yield f"{path} = {value!r}: not of type {wanted}"


KEYWORDS: dict[str, Any] = {
    "type": _type, "items": _items, "prefixItems": _prefix, "properties": _properties,
    "additionalProperties": _others, "patternProperties": _patterns, "propertyNames": _names, "$ref": _ref,
    "anyOf": _some(1, 0), "oneOf": _some(1, 1), "allOf": _all, "not": _not,
    "enum": _plain(object, lambda value, wanted: value in wanted),
    "const": _plain(object, lambda value, wanted: value == wanted),
    "pattern": _plain(str, lambda value, wanted: re.search(wanted, value)),
    "minLength": _plain(str, lambda value, wanted: len(value) >= wanted),
    "maxLength": _plain(str, lambda value, wanted: len(value) <= wanted),
    "minItems": _plain(list, lambda value, wanted: len(value) >= wanted),
    "maxItems": _plain(list, lambda value, wanted: len(value) <= wanted),
    "uniqueItems": _plain(list, lambda value, wanted: len({repr(item) for item in value}) == len(value)),
    "minProperties": _plain(dict, lambda value, wanted: len(value) >= wanted),
    "maxProperties": _plain(dict, lambda value, wanted: len(value) <= wanted),
    "required": _plain(dict, lambda value, wanted: set(wanted) <= set(value)),
    "minimum": _plain((int, float), lambda value, wanted: value >= wanted),
    "maximum": _plain((int, float), lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _plain((int, float), lambda value, wanted: value > wanted),
    "exclusiveMaximum": _plain((int, float), lambda value, wanted: value < wanted),
    "multipleOf": _plain((int, float), lambda value, wanted: value % wanted == 0),
}  # fmt: skip
