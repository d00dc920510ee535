"""Administration of the plant: barcodes, quality roles, notifications, actions and receivers."""

from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.workflows import Plant, rich_text

_ROLE = 1
"""The predefined role of administrators."""
_INTEGRATION = {
    "templateName": "DURO_CHANGE_ORDER_APPROVED",
    "keycloakClientId": "plm-connector",
    "keycloakClientSecret": "none",
    "apiHost": "https://plm.ultraviolet.example",
    "apiVersion": "1",
    "apiKey": "none",
    "customConfig": "{}",
}
_ZPL = "^XA^FO30,30^BQN,2,6^FDMA,{{iuid}}^FS^FO200,60^A0N,40^FD{{name}}^FS^XZ"


def create_administration(plant: Plant) -> None:
    """Create what administrators set up once, and two related issues under review."""
    create = plant.client.create
    create("location_subtypes", name="Clean bench", description="Class 100")
    create("contacts", name=plant.choose(*sample_data.PEOPLE), email="dock@ultraviolet.example")
    create("invites", email="new.hire@ultraviolet.example", name="New Hire")
    create("integrations", **_INTEGRATION)
    _create_barcodes(plant)
    _create_quality_gate(plant)
    create(
        "rules",
        title="An issue needs an assignee",
        enabled=False,
        target="ISSUE",
        eventType="UPDATE",
        ruleType="VALIDATION",
        errorState="ALLOW",
        context="{ issue(id: $id) { assignedToId } }",
        code="if not context.get('issue', {}).get('assignedToId'): raise ValidationError()",
    )
    _create_receiver(plant)


def _create_barcodes(plant: Plant) -> None:
    location = plant.known["locations"][0]
    entity = plant.client.get("locations", location, "entityId")["entityId"]
    template = plant.client.create(
        "barcode_templates",
        name="Location, 2 x 1 in",
        entityType="LOCATIONS",
        format="ZPL",
        dpi=203,
        widthInches=2.0,
        heightInches=1.0,
        template=_ZPL,
    )
    plant.client.create("barcode_labels", templateId=template, entityId=entity)
    pattern = "^(?P<serialNumber>SN-.+)$"
    plant.client.create("barcode_patterns", expression=pattern, entityType="PARTS_INVENTORY")


def _create_quality_gate(plant: Plant) -> None:
    create = plant.client.create
    disposition = plant.client.list_ids("issue_disposition_types")[0]
    gate = {"issueApprovalGateType": "RESOLVED"}
    values = {"issueDispositionTypeId": disposition, "roleId": _ROLE, "count": 1}
    plant.client.mutate("createIssueDispositionTypeRole", **gate, **values)
    first, second = (
        plant.create("issues", title=defect, causeCondition=rich_text(defect), status="PENDING")
        for defect in sample_data.DEFECTS[:2]
    )
    plant.client.mutate("createIssueRelation", originIssueId=first, relatedIssueId=second)
    create("issue_approval_requests", **gate, issueId=first, roleId=_ROLE)
    create("issue_approvals", **gate, issueId=first, status="APPROVED", comment="Use as is.")
    user = plant.any("users")
    entity = plant.client.get("issues", first, "entityId")["entityId"]
    plant.client.mutate("createUserSubscription", entityId=entity, userId=user)
    plant.client.mutate(
        "dispatchNotification",
        userId=user,
        notificationType="SIGNOFF",
        title="An issue waits for your review",
        description=sample_data.DEFECTS[0],
        linkText="Open the issue",
        path=f"/issues/{first}",
    )


def _create_receiver(plant: Plant) -> None:
    """Create a receiver that is switched off, so that nothing is delivered to it."""
    create = plant.client.create
    receiver = create(
        "webhook_receivers",
        name="Former ERP connector",
        webhookUri="https://erp.ultraviolet.example/ion",
        active=False,
    )
    header = create("webhook_headers", key="X-Environment", value="test")
    etag = plant.client.get("webhook_receivers", receiver, "_etag")["_etag"]
    pair = {"webhookReceiverId": receiver, "webhookHeaderId": header}
    plant.client.mutate("addHeaderToWebhookReceiver", **pair, etag=etag)
    event = {"resource": "PURCHASE_ORDERS", "action": "UPDATE"}
    create("webhook_subscriptions", receiverId=receiver, **event, active=False)
