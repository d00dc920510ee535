"""ION Actions: the published examples over the API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, nodes


@pytest.fixture
def ion(ion_folder: Path) -> Iterator[Ion]:
    made = Ion(ion_folder)
    switch(made, enabled=True)
    yield made
    made.ion.close()


def switch(ion: Ion, **rules: Any) -> None:
    organization = ion.data("{ me { organization { id _etag } } }")["organization"]
    ion.mutate(
        "updateOrganization",
        id=organization["id"],
        etag=organization["_etag"],
        settings={"rules": rules},
    )


def rule(ion: Ion, **values: Any) -> dict[str, Any]:
    given = {
        "enabled": True,
        "ruleType": "VALIDATION",
        "errorState": "ALLOW",
        "eventType": "UPDATE",
        **values,
    }
    return ion.create("Rule", "id _etag status enabled target codeHash", **given)


NEED_DATE = {
    "title": "Lines need a need date",
    "target": "PURCHASEORDERLINE",
    "context": "{ purchaseOrderLine(id: $id) { id needDate } }",
    "code": (
        "if context.get('changes', {}).get('purchaseOrderLines', {}).get('status', {}).get('new') == 'ordered'"
        " and context.get('purchaseOrderLine', {}).get('needDate') is None: raise ValidationError()"
    ),
}


def test_line_without_need_date_cannot_be_ordered(ion: Ion) -> None:
    made = rule(ion, **NEED_DATE)
    assert ("ACTIVE", True, 64) == (made["status"], made["enabled"], len(made["codeHash"]))
    order = ion.create("PurchaseOrder")
    ion.create("PurchaseOrderLine", purchaseOrderId=order["id"], quantity=1)

    assert "Lines need a need date" == ion.update_error(
        "purchaseOrder", order["id"], status="ORDERED"
    )
    assert {"status": "DRAFT"} == ion.get("purchaseOrder", order["id"], "status")
    ion.update("purchaseOrderLine", 1, needDate="2026-12-01")
    ion.update("purchaseOrder", order["id"], status="ORDERED")
    assert {"status": "ORDERED"} == ion.get("purchaseOrder", order["id"], "status")


def test_expensive_order_requires_a_manager(ion: Ion) -> None:
    rule(
        ion,
        title="Add a manager",
        target="PURCHASEORDERLINE",
        context="""{purchaseOrderLine(id: $id) { purchaseOrder { estimatedTotalCost
          approvals { reviewer { roles { name } } } } } }""",
        code=(
            "if (context.get('changes', {}).get('purchaseOrderLines', {}).get('status', {}).get('new') == 'ordered'"
            " and context['purchaseOrderLine']['purchaseOrder'].get('estimatedTotalCost', 0) > 10000 and not any("
            "role.get('name') == 'Admin' for approval in context['purchaseOrderLine']['purchaseOrder'].get('approvals', [])"
            " for role in approval.get('reviewer', {}).get('roles', []))): raise ValidationError('No manager')"
        ),
    )
    order = ion.create("PurchaseOrder")["id"]
    ion.create("PurchaseOrderLine", purchaseOrderId=order, quantity=20_000, cost=1)
    assert "No manager" == ion.update_error("purchaseOrder", order, status="ORDERED")
    ion.mutate("createPurchaseOrderApproval", purchaseOrderId=order, status="APPROVED")
    ion.update("purchaseOrder", order, status="ORDERED")


def test_receiving_requires_a_location(ion: Ion) -> None:
    rule(
        ion,
        title="Receiving wants a location",
        target="RECEIPTITEM",
        eventType="CREATE",
        context="{ receiptItem(id: $id) { id partInventory {locationId part{trackingType}} } }",
        code=(
            "if not context.get('receiptItem', {}).get('partInventory', {}).get('locationId') and"
            " context.get('receiptItem', {}).get('partInventory', {}).get('part', {}).get('trackingType') == 'LOT':"
            " raise ValidationError()"
        ),
    )
    part = ion.create("Part", partNumber="P", trackingType="LOT")["id"]
    dock = ion.create("Location", name="Dock")["id"]
    order = ion.create("PurchaseOrder")["id"]
    line = ion.create("PurchaseOrderLine", purchaseOrderId=order, partId=part, quantity=2)["id"]
    ion.update("purchaseOrder", order, status="ORDERED")
    receipt = ion.create("Receipt")
    item = {
        "etag": receipt["_etag"],
        "receiptId": receipt["id"],
        "purchaseOrderLineId": line,
        "quantity": 2,
        "lotNumber": "L1",
    }
    add = (
        "mutation($i: [AddItemToReceiptInput]) { addItemsToReceipt(input: $i) { receipt { id } } }"
    )
    assert "Receiving wants a location" == ion.error(add, i=[item])
    assert [] == nodes(ion.data("{ receiptItems { edges { node { id } } } }"))
    ion.data(add, i=[{**item, "locationId": dock}])


def test_procedure_with_unordered_steps_cannot_be_reviewed(ion: Ion) -> None:
    rule(
        ion,
        title="Steps need an order",
        target="PROCEDURE",
        context="{ procedure(id: $id) { id steps{location{name} upstreamStepIds downstreamStepIds } } }",
        code=(
            "if (context.get('changes', {}).get('procedures', {}).get('status', {}).get('new') == 'in_review' and"
            " any([step for step in context.get('procedure', {}).get('steps', []) if not"
            " (step.get('upstreamStepIds') or step.get('downstreamStepIds'))])): raise ValidationError()"
        ),
    )
    procedure = ion.mutate("createProcedure", title="P")["procedure"]["id"]
    ion.create("Step", procedureId=procedure, title="one")
    assert "Steps need an order" == ion.update_error("procedure", procedure, status="IN_REVIEW")


def test_only_some_roles_can_reopen(ion: Ion) -> None:
    rule(
        ion,
        title="No reopening",
        target="ISSUE",
        context="{ issue(id: $id) { status } }",
        code=(
            "allowed = {'Quality Engineer'}\n"
            "if (context.get('changes', {}).get('issues', {}).get('status', {}).get('old') == 'resolved'\n"
            "    and not set(context.get('currentUser', {}).get('roles', [])).intersection(allowed)):\n"
            "    raise ValidationError()\n"
        ),
    )
    issue = ion.create("Issue", title="x", status="RESOLVED")["id"]
    assert "No reopening" == ion.update_error("issue", issue, status="PENDING")


@pytest.mark.parametrize(
    "code", ["import os", "context.clear()", "open('x')", "if context[: raise", "raise X()"]
)
def test_failing_rule_follows_its_setting(ion: Ion, code: str) -> None:
    made = rule(
        ion, title="Broken", target="SUPPLIER", eventType="CREATE", code=code, errorState="ALLOW"
    )
    ion.create("Supplier", name="A")
    ion.update("rule", made["id"], errorState="BLOCK")
    assert "Broken" in ion.mutation_error("createSupplier", name="B")


def test_disabled_rule_has_no_effect(ion: Ion) -> None:
    made = rule(
        ion, title="No", target="SUPPLIER", eventType="CREATE", code="raise ValidationError()"
    )
    assert "No" == ion.mutation_error("createSupplier", name="A")
    ion.update("rule", made["id"], enabled=False)
    assert {"status": "DISABLED"} == ion.get("rule", made["id"], "status")
    ion.create("Supplier", name="A")
    ion.update("rule", made["id"], enabled=True)
    switch(ion, enabled=False)
    ion.create("Supplier", name="B")


def test_rule_can_block_a_delete(ion: Ion) -> None:
    rule(
        ion, title="Keep it", target="SUPPLIER", eventType="DELETE", code="raise ValidationError()"
    )
    made = ion.create("Supplier", name="A")
    assert "Keep it" == ion.mutation_error("deleteSupplier", id=made["id"], etag=made["_etag"])
    assert made == ion.get("supplier", made["id"])


def test_warning_does_not_block_and_executions_are_logged(ion: Ion) -> None:
    rule(
        ion,
        title="Name the defect",
        target="ISSUEAPPROVALREQUEST",
        eventType="CREATE",
        context="{ issueApprovalRequest { id issue { title status } } me { id } }",
        code=(
            "request = context.get('issueApprovalRequest') or {}\n"
            "if request.get('issue', {}).get('title') == 'blocked': raise ValidationError('Rename it')\n"
            "if not context.get('changes').get('issue_approval_requests').get('role_id'):"
            " raise ValidationError('No changes')\n"
            "raise ValidationWarning('Check ' + request.get('issue').get('status'))"
        ),
    )
    gate = {"issueApprovalGateType": "RESOLVED", "roleId": 1}
    fine, blocked = (ion.create("Issue", title=t)["id"] for t in ("fine", "blocked"))
    made = ion.mutate("createIssueApprovalRequest", **gate, issueId=fine)["approvalRequest"]["id"]
    assert "Rename it" == ion.mutation_error("createIssueApprovalRequest", **gate, issueId=blocked)
    warned, stopped = list(ion.ion.action_rules.executions)[-2:]
    assert ("warned", "Check PENDING", str(made)) == (
        warned.outcome,
        warned.message,
        warned.record_id,
    )
    assert ("blocked", "Rename it") == (stopped.outcome, stopped.message)
    assert stopped.context["issueApprovalRequest"]["issue"]["title"] == "blocked"
