"""ION's permission groups: one per mutation, named as its payload, with the object as family.

The 301 groups are those of First Resonance's published list. Mutations that are newer than the list
need the permission of a similar mutation (assumed).
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.graphql_types import named_type, object_type


class Group(NamedTuple):
    """A permission group."""

    name: str
    family: str


_REMOVED = (
    Group("CreateAnalyticsCredential", "AnalyticsCredential"),
    Group("DeleteAnalyticsCredential", "AnalyticsCredential"),
)
"""Listed groups of mutations that the 2023 schema no longer has."""
_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"Asset$", "FileAttachment"),
    (r"Label\w*ProcedureFamily$", "ProcedureFamilyLabel"),
    (r"Label\w*Item$", "Label"),
    (r"Requirement\w*Item$", "Requirement"),
    (r"InputFromPlan$", "PlanInput"),
    (r"RunStepEdge$", "RunStepsEdge"),
    (r"StepEdge$", "StepsEdge"),
    (r"^GenerateRunSummary$", "Run"),
    (r"^DispatchNotification$", "MessageResponse"),
    (r"Team$", "Team"),
    (r"Role\w+User$", "User"),
)
"""Families of payloads without an object."""
_LISTED = re.compile(r"ABomItem|ABomForPart|AbomItemChildren|MBomItem$|MBomSubstitutes?$|FromMbom")
"""Groups that resemble newer ones but are in the published list."""
_SIMILAR: tuple[tuple[str, str], ...] = (
    (r"^(Create|Update)Runs$", r"\1Run"),
    (r"^CreateRunBatch$", "CreateRun"),
    (r"^CreatePartInventories$", "CreatePartInventory"),
    (r"^MergePartInventory$", "UpdatePartInventory"),
    (r"^CreateOrUpdateMultipleParts$", "CreatePart"),
    (r"^CreateMultipleMBomItems$|^CreateOrUpdateMultipleMboms$", "CreateMBomItem"),
    (r"^Add(Inventories|Items)ToReceipt$", "AddInventoryToReceipt"),
    (r"^RemoveItemFromReceipt$", "RemoveInventoryFromReceipt"),
    (r"^UpdateReceiptItem$", "UpdateReceipt"),
    (r"^ResetIssueApprovals$", "UpdateIssueApproval"),
    (r"IssuePartInventory$", "UpdateIssue"),
    (r"IssueDispositionType(Role)?$|Rule$", "UpdateOrganization"),
    (r"^(Update|Delete)OrganizationM[Bb]omAttributes$", r"\1OrganizationPartAttributes"),
    (r"^DeleteBarcodePattern$", "UpdateBarcodeTemplate"),
    (r"^(Create|Update)BarcodePattern$", r"\1BarcodeTemplate"),
    (r"^(Create|Update|Delete)PlanReservation$", r"\1PlanItemAllocation"),
    (r"^Generate(Read|Write)EmbeddedAnalytics$", "CreateAnalyticsCredential"),
    (r"Abom|ABom", "UpdateABomItem"),
    (r"^(Create|Update|Delete)\w*M[Bb]om", r"\1MBomItem"),
    (r"^UpdateSession", "CheckIn"),
    (r"SupplierPart$", "UpdateSupplier"),
)


@cache
def _groups_of(catalog: Catalog) -> Mapping[str, Group]:
    root = catalog.schema.mutation_type
    assert root is not None
    own: dict[str, Group] = {}
    for name, field in root.fields.items():
        payload = object_type(field)
        types = (named_type(member).name for member in payload.fields.values())
        shown = next(filter(catalog.by_type, types), None)  # the first object of the payload
        families = (family for pattern, family in _FAMILIES if re.search(pattern, payload.name))
        family = shown or next(families, re.sub("^(Create|Update|Delete)", "", payload.name))
        own[name] = Group(payload.name, family)
    by_name = {group.name: group for group in (*own.values(), *_REMOVED)}
    found: dict[str, Group] = {}
    for name, group in own.items():
        for pattern, similar in _SIMILAR:
            match = re.search(pattern, group.name)
            if match and not _LISTED.search(group.name):
                found[name] = by_name[match.expand(similar)]
                break
        else:
            found[name] = group
    return found


def group_of(mutation: str, catalog: Catalog) -> str:
    """Return the name of the group with the permission for a mutation."""
    return _groups_of(catalog)[mutation].name


def published_groups(catalog: Catalog) -> list[Group]:
    """Return all groups, by family and name."""
    groups = {*_groups_of(catalog).values(), *_REMOVED}
    return sorted(groups, key=lambda group: (group.family.lower(), group.name))
