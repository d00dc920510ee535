"""Generate the descriptions of root fields that the SDL does not describe."""

import re
from dataclasses import replace

from graphql import FieldDefinitionNode, NonNullTypeNode
from graphql.language import StringValueNode

_WORDS = {
    "MBom": "mBOM", "Mbom": "mBOM", "ABom": "aBOM", "Abom": "aBOM", "APIKeyObject": "API key", "MRPJob": "MRP job",
    "MrpJob": "MRP job", "PartInventory": "inventory", "PartKitItem": "item of a kit", "PartKit": "kit",
}  # fmt: skip
_KEEP = {"mBOM", "aBOM", "API", "MRP"}
_ATTRIBUTE = re.compile(r"update(\w+)Attribute")
_DEFINITION = re.compile(r"(update|delete)Organization(\w+)Attributes")
_VERB = re.compile(r"(create|update|delete)(\w+)")


def describe(field: FieldDefinitionNode, root: str, listed: str | None) -> FieldDefinitionNode:
    """Return a root field with a description; `listed` is the type of a list."""
    if field.description is not None:
        return field
    if root != "Query":
        text = _mutation(field)
    elif listed is not None:
        text = (
            f"List each {noun(listed)} that matches the filters, sorted, by page;"
            " all of them without `first`."
        )
    else:
        kind = field.type.type if isinstance(field.type, NonNullTypeNode) else field.type
        keys = " and ".join(a.name.value for a in field.arguments or ())
        text = f"Show one {noun(kind.name.value)} by its {keys}; null if it does not exist."  # type: ignore[union-attr]
    return field if text is None else replace(field, description=StringValueNode(value=text))


def noun(name: str) -> str:
    """Return the name of a type as words: `PurchaseOrderLine` is purchase order line."""
    for key, word in _WORDS.items():
        name = name.replace(key, f" {word} ")
    parts = [
        w if w in _KEEP else w.lower()
        for w in re.sub(r"(?<=[a-z])(?=[A-Z](?![A-Z]))", " ", name).split()
    ]
    return " ".join(parts)


def _mutation(field: FieldDefinitionNode) -> str | None:
    name = field.name.value
    if found := _DEFINITION.fullmatch(name):
        verb = (
            "Define a custom attribute"
            if found[1] == "update"
            else "Remove the definition of a custom attribute"
        )
        return f"{verb} of each {noun(found[2])}."
    if found := _ATTRIBUTE.fullmatch(name):
        owner = _one(noun(found[1]))
        return f"Set one custom attribute of {owner}. Needs the attribute's current etag."
    if found := _VERB.fullmatch(name):
        verb = {"create": "Create", "update": "Change", "delete": "Delete"}[found[1]]
        etag = (
            ""
            if found[1] == "create" or name in {"deleteRole", "deleteTeam"}
            else " Needs its current etag."
        )
        return f"{verb} {_one(noun(found[2]))}.{etag}"
    return None


def _one(words: str) -> str:
    return f"{'an' if re.match('[aeioAEIO]|mBOM|MRP', words) else 'a'} {words}"
