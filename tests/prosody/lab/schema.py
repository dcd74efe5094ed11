"""Holds JSON against JSON Schema (2020-12): the keywords that the API's description uses, and no other."""

import re

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}
SAID = {"type", "description", "default", "writeOnly", "x-kind"}
FORMATS = {"date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "jid": r"[^@/]+@[^@/]+", "password": ".*"}


def is_of(value, kind):
    if kind in ("integer", "number"):
        whole = isinstance(value, int) or (kind == "number" and isinstance(value, float))
        return whole and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def wrongs(value, schema, whole, at="$"):
    """What is wrong with a value, by a schema of the document `whole`."""
    if schema is False:
        return [f"{at}: nothing may be here"]
    if "$ref" in schema:
        target = whole
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return wrongs(value, target, whole, at)
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds != [None] and not any(is_of(value, kind) for kind in kinds):
        return [f"{at}: {value!r} is not {' or '.join(kinds)}"]
    found = []
    for keyword, wanted in schema.items():
        if keyword == "enum":
            found += [] if value in wanted else [f"{at}: {value!r} is none of {wanted}"]
        elif keyword == "const":
            found += [] if value is wanted else [f"{at}: {value!r} is not {wanted!r}"]
        elif keyword == "minimum":
            found += [] if value is None or value >= wanted else [f"{at}: {value} is less than {wanted}"]
        elif keyword == "format":
            right = not isinstance(value, str) or re.fullmatch(FORMATS[wanted], value)
            found += [] if right else [f"{at}: {value!r} is no {wanted}"]
        elif keyword == "anyOf":
            tried = [wrongs(value, one, whole, at) for one in wanted]
            found += [] if [] in tried else min(tried, key=len)
        elif keyword == "items":
            for number, item in enumerate(value):
                found += wrongs(item, wanted, whole, f"{at}[{number}]")
        elif keyword == "required":
            found += [f"{at}: `{name}` is missing" for name in wanted if name not in value]
        elif keyword == "properties":
            for name in wanted.keys() & (value or {}).keys():
                found += wrongs(value[name], wanted[name], whole, f"{at}.{name}")
        elif keyword == "additionalProperties":
            for name in value.keys() - schema.get("properties", {}).keys():
                found += wrongs(value[name], wanted, whole, f"{at}.{name}")
        elif keyword not in SAID:
            found.append(f"{at}: nobody here knows the keyword `{keyword}`")
    return found
