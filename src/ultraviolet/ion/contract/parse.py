"""Parse the contract into resources with fields, links and relations, for the catalog."""

from collections.abc import Mapping

from graphql import FieldDefinitionNode, ObjectTypeDefinitionNode
from graphql.language import NonNullTypeNode
from msgspec import Raw, json

from ultraviolet.ion.contract import derive as contract
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Field, Join, Link, ParsedContract, Relation, Resource
from ultraviolet.ion.naming import camel, snake

_SCALARS = {*contract.OPERAND_SCALARS, "Decimal"}

_SPECIAL_COLUMNS = {
    ("PartInventory", "Cost"): "_cost",
    ("IssuedPartInventory", "Cost"): "_cost",
    ("IssueApproval", "issueApprovalGateType"): "gate_type",
    ("IssueApprovalRequest", "issueApprovalGateType"): "gate_type",
    ("IssueDispositionTypeRole", "issueApprovalGateType"): "gate_type",
}
_UNNAMED_LINKS = {
    ("User", "updatedById"): ("updatedBy", "User"),  # ION shows a list of one user
    ("UserNotification", "userId"): ("user", "User"),
}
"""Keys beside which ION does not show their object: the link's name and the object's type."""
_STAMP_COLUMNS = {
    "Created": "_created",
    "Updated": "_updated",
    "Etag": "_etag",
    "LastSessionId": "last_session_id",
}


def parse_contract() -> ParsedContract:
    """Parse the contract, which takes half a second."""
    types: dict[str, frozenset[str]] = {}
    for name, kind in contract.schema().type_map.items():
        members: Mapping[str, object] = (
            getattr(kind, "fields", None) or getattr(kind, "values", None) or {}
        )
        types[name] = frozenset(members)
    return ParsedContract(_Reader().resources(), Raw(json.encode(types, order="deterministic")))


class _Reader:
    """Reads the resources of the contract."""

    def __init__(self) -> None:
        self.document = contract.source()
        self.objects = contract.object_types(self.document)
        self.tables = {
            name: str(mark["name"])
            for name, node in self.objects.items()
            if (mark := contract.directive(node, "table"))
        }
        derivation = contract.Derivation(self.document)
        self.enums = derivation.enum_names
        enum = next(e for e in derivation.enums if e.name.value == "ResourceEnum")
        self.resource_enum = {v.name.value for v in enum.values or ()}
        self.queries = list(contract.root_fields(self.document, "Query"))
        self.mutations = {f.name.value: f for f in contract.root_fields(self.document, "Mutation")}
        self.payloads = {
            node.name.value: node
            for node in self.document.definitions
            if isinstance(node, ObjectTypeDefinitionNode) and node.name.value not in self.objects
        }

    def resources(self) -> dict[str, Resource]:
        found = {table: self._resource(name, table) for name, table in self.tables.items()}
        joins = {
            r.join.table: r.join
            for f in found.values()
            for r in f.relations
            if r.join and r.join.table not in found
        }
        for table, join in sorted(joins.items()):
            found[table] = self._join_resource(join, found)
        return found

    def _resource(self, name: str, table: str) -> Resource:
        node = self.objects[name]
        mark = contract.directive(node, "table") or {}
        attribute = table.endswith("_attributes")
        fields = self._fields(name, node)
        roots = self._roots(name)
        owned_by = name.removesuffix("Attribute").lower()
        owner = next(n for n in self.tables if n.lower() == owned_by) if attribute else None
        attributes = (
            self.tables.get(contract.named(f.type))
            for f in node.fields or ()
            if f.name.value in {"attributes", "Attributes"}
        )
        return Resource(
            name=table,
            kind="attribute" if attribute else "object",
            subscribable=table.upper() in self.resource_enum,
            type=name,
            title=resource_label(table).plural,
            key=tuple(mark.get("key") or ("id",)),  # type: ignore[arg-type]
            **roots,
            **self._mutations_of(name),
            fields=fields,
            links=self._links(node, fields),
            relations=tuple(r for f in node.fields or () if (r := self._relation(f))),
            attributes=next(filter(None, attributes), None),
            owner=self.tables[owner] if owner else None,
            owner_key=next(
                (f.name for f in fields if owner and f.name.lower() == f"{owner}Id".lower()), None
            ),
            domain=contract.domains().get(name, ""),
            has_entity=any(f.name == "entityId" and f.stored for f in fields) and name != "Comment",
        )

    def _fields(self, owner: str, node: ObjectTypeDefinitionNode) -> tuple[Field, ...]:
        stored = {f.name.value for f in contract.stored_scalars(node)}
        fields: list[Field] = []
        for field in node.fields or ():
            name, target = field.name.value, contract.named(field.type)
            if field.arguments or (target not in self.enums and target not in _SCALARS):
                continue
            computed = contract.directive(field, "computed") or {}
            special = _SPECIAL_COLUMNS.get((owner, name)) or _STAMP_COLUMNS.get(name)
            fields.append(
                Field(
                    name=name,
                    column=special or snake(name),
                    type=target,
                    enum=target in self.enums,
                    list=contract.is_list(field.type),
                    required=isinstance(field.type, NonNullTypeNode),
                    stored=name in stored,
                    sources=tuple(computed.get("from") or ()),  # type: ignore[arg-type]
                    listed_in=str(computed.get("listedIn") or ""),
                    sharing=str(computed.get("sharing") or ""),
                    every_of=tuple(computed.get("everyOf") or ()),  # type: ignore[arg-type]
                )
            )
        return tuple(fields)

    def _links(self, node: ObjectTypeDefinitionNode, fields: tuple[Field, ...]) -> tuple[Link, ...]:
        keys = {f.name: f for f in fields if not f.list}
        links: list[Link] = []
        for field in node.fields or ():
            target, name = contract.named(field.type), field.name.value
            via = contract.directive(field, "via") or {}
            key = keys.get(str(via.get("key") or f"{name[0].lower()}{name[1:]}Id"))
            if target in self.tables and not contract.is_list(field.type) and key:
                links.append(Link(name, key.name, key.column, target, self.tables[target]))
        for (owner, key_name), (name, target) in _UNNAMED_LINKS.items():
            if owner == node.name.value:
                column = keys[key_name].column
                links.append(Link(name, key_name, column, target, self.tables[target]))
        return tuple(links)

    def _relation(self, field: FieldDefinitionNode) -> Relation | None:
        target = contract.named(field.type)
        if target.endswith("Connection"):
            target = target.removesuffix("Connection").removesuffix("s")
        elif not contract.is_list(field.type):
            return None
        if target not in self.tables:
            return None
        base = (field.name.value, target, self.tables[target])
        if join := contract.directive(field, "join"):
            table, own, other = str(join["table"]), str(join["own"]), str(join["other"])
            between = table not in self.tables.values()  # else its rows are objects
            kept = between and (own == "entity_id" or table.startswith(own.removesuffix("_id")))
            return Relation(*base, "join", join=Join(table, own, other), kept=kept)
        via = contract.directive(field, "via")
        if via and via.get("entity"):
            return Relation(*base, "entity", "entity_id", "entityId")
        if via:
            return Relation(*base, "foreign_key", snake(str(via["key"])), str(via["key"]))
        return Relation(*base, "none")

    def _roots(self, name: str) -> dict[str, str | None]:
        roots: dict[str, str | None] = {"single": None, "list": None, "filters": None, "sort": None}
        for query in self.queries:
            mark = contract.directive(query, "list")
            if mark and mark["of"] == name:
                sort = mark.get("sort")
                roots |= {
                    "list": query.name.value,
                    "filters": str(mark["filters"]),
                    "sort": str(sort) if sort else None,
                }
            elif not mark and contract.named(query.type) == name and query.arguments:
                roots["single"] = query.name.value
        return roots

    def _mutations_of(self, name: str) -> dict[str, str | None]:
        wanted = {"abomitem": "abomitem"}.get(name.lower(), name.lower().removesuffix("object"))
        names = {m.lower(): m for m in self.mutations}
        verbs: dict[str, str | None] = {
            verb: names.get(f"{verb}{wanted}") for verb in ("create", "update", "delete")
        }
        if name in {"RunStepsEdge", "StepsEdge"}:
            short = name.replace("Steps", "Step")
            verbs = {verb: names.get(f"{verb}{short}".lower()) for verb in verbs}
        if name == "PlanInput":
            verbs = {
                "create": "addInputToPlan",
                "update": "updateInputToPlan",
                "delete": "removeInputFromPlan",
            }
        return verbs

    def _join_resource(self, join: Join, found: Mapping[str, Resource]) -> Resource:
        columns = (join.own_column, join.other_column)
        fields = tuple(
            Field(camel(c), c, "Int", enum=False, list=False, required=True, stored=True)
            for c in columns
        )
        links: list[Link] = []
        for column, field in zip(columns, fields, strict=True):
            target = self._joined(join.table, column, found)
            if target:
                links.append(
                    Link(
                        field.name.removesuffix("Id"), field.name, column, target.type, target.name
                    )
                )
        return Resource(
            name=join.table,
            kind="join",
            subscribable=join.table.upper() in self.resource_enum,
            type="",
            title=resource_label(join.table).plural,
            key=tuple(f.name for f in fields),
            fields=fields,
            links=tuple(links),
        )

    def _joined(self, table: str, column: str, found: Mapping[str, Resource]) -> Resource | None:
        for resource in found.values():
            for relation in resource.relations:
                if relation.join and relation.join.table == table:
                    if relation.join.own_column == column and column != "entity_id":
                        return resource
                    if relation.join.other_column == column:
                        return found[relation.resource]
        return None
