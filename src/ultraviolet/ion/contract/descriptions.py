"""Descriptions of root fields by rule; what the rule does not say well has a description of its own in the SDL."""

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
    """Return a root field a description, unless it has one; `listed` is the type a list root lists."""
    if field.description is not None:
        return field
    text = _query(field, listed) if root == "Query" else _mutation(field)
    return field if text is None else replace(field, description=StringValueNode(value=text))


def noun(name: str) -> str:
    """Write the name of a type or mutation as words: `PurchaseOrderLine` is a purchase order line."""
    for key, word in _WORDS.items():
        name = name.replace(key, f" {word} ")
    parts = [
        w if w in _KEEP else w.lower()
        for w in re.sub(r"(?<=[a-z])(?=[A-Z](?![A-Z]))", " ", name).split()
    ]
    return " ".join(parts)


def _query(field: FieldDefinitionNode, listed: str | None) -> str | None:
    if listed is not None:
        return f"List each {noun(listed)} that the filters let through, sorted, a page at a time; all of them without `first`."
    kind = field.type.type if isinstance(field.type, NonNullTypeNode) else field.type
    keys = " and ".join(a.name.value for a in field.arguments or ())
    return f"Show one {noun(kind.name.value)} by its {keys}; null where there is none."  # type: ignore[union-attr]


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
        return f"Set one custom attribute of {_one(noun(found[1]))}. Needs the attribute's current etag."
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
