"""Issues: objects, approvals, blocked steps and relations."""

from typing import Any

from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()


def issue(ion: Ion, **values: Any) -> int:
    return ion.create("Issue", **{"title": "Scratch", **values})["id"]


def status(ion: Ion, issue_id: int) -> str:
    return ion.get("issue", issue_id, "status")["status"]


def ask(ion: Ion, issue_id: int, role: int, **values: Any) -> int:
    """Request the approval of an issue from a role."""
    given = {"issueId": issue_id, "roleId": role, "issueApprovalGateType": "RESOLVED", **values}
    return ion.mutate("createIssueApprovalRequest", **given)["approvalRequest"]["id"]


def answer(
    ion: Ion, issue_id: int, viewer: Any, status: str = "APPROVED", gate: str = "RESOLVED"
) -> None:
    given = {"issueId": issue_id, "status": status, "issueApprovalGateType": gate}
    ion.mutate("createIssueApproval", None, viewer, **given)


def asked(ion: Ion, issue_id: int) -> list[str]:
    return [
        r["status"]
        for r in ion.get("issue", issue_id, "approvalRequests { status }")["approvalRequests"]
    ]


def run_step(ion: Ion, title: str = "one") -> int:
    run = ion.create("Run", title="Build")["id"]
    return ion.mutate("createRunStep", runId=run, title=title)["step"]["id"]


def test_issue_is_pending_with_a_default_title(ion: Ion) -> None:
    made = ion.create("Issue", "id title status editable")
    assert (f"Issue {made['id']}", "PENDING", "true") == (
        made["title"],
        made["status"],
        made["editable"],
    )
    ion.update("issue", made["id"], status="IN_PROGRESS")
    ion.update("issue", made["id"], status="IN_REVIEW")
    ion.update("issue", made["id"], status="RESOLVED")
    assert {"status": "RESOLVED", "editable": "false"} == ion.get(
        "issue", made["id"], "status editable"
    )


def test_issue_refers_to_inventory_a_step_or_a_line(ion: Ion) -> None:
    part = ion.create("Part", partNumber="P1")["id"]
    pieces = [ion.create("PartInventory", partId=part, quantity=1)["id"] for _ in range(2)]
    step = run_step(ion)
    order = ion.create("PurchaseOrder")["id"]
    line = ion.create("PurchaseOrderLine", purchaseOrderId=order, quantity=1)["id"]
    made = issue(ion, partInventoryIds=pieces, runStepId=step, purchaseOrderLineId=line)
    shown = "partInventories { id } partInventory { id } partInventoryId runStep { id } purchaseOrderLine { id }"
    assert {
        "partInventories": [{"id": p} for p in pieces],
        "partInventory": {"id": pieces[0]},
        "partInventoryId": pieces[0],
        "runStep": {"id": step},
        "purchaseOrderLine": {"id": line},
    } == ion.get("issue", made, shown)
    assert {"issues": [{"id": made}]} == ion.get("partInventory", pieces[1], "issues { id }")
    assert {"issues": [{"id": made}]} == ion.get("purchaseOrderLine", line, "issues { id }")
    assert {"run": {"issues": [{"id": made}]}} == ion.get("runStep", step, "run { issues { id } }")


def test_disposition_has_an_action_and_an_assignee(ion: Ion) -> None:
    role = ion.create("Role", name="Materials")["id"]
    kind = ion.create("IssueDispositionType", title="Rework", active=True)["id"]
    tie = {"issueDispositionTypeId": kind, "roleId": role, "issueApprovalGateType": "RESOLVED"}
    given = {k: v for k, v in tie.items() if k in known(ion, "CreateIssueDispositionTypeRoleInput")}
    ion.mutate("createIssueDispositionTypeRole", **given)
    made = issue(ion, issueDispositionTypeId=kind)
    assert {
        "issueDispositionType": {"title": "Rework", "roles": [{"name": "Materials"}]}
    } == ion.get("issue", made, "issueDispositionType { title roles { name } }")


def known(ion: Ion, kind: str) -> set[str]:
    return set(ion.ion.schema.type_map[kind].fields)  # type: ignore[attr-defined]


def test_request_is_resolved_only_by_its_assignee(ion: Ion) -> None:
    rita, tom = ion.create_user("Rita"), ion.create_user("Tom")
    made = issue(ion)
    ask(ion, made, 1, assignedToId=rita.user_id)
    answer(ion, made, tom)
    assert ["PENDING"] == asked(ion, made)
    answer(ion, made, rita, gate="IN_PROGRESS")  # the answer to another question
    assert ["PENDING"] == asked(ion, made)
    answer(ion, made, rita, "REJECTED")
    assert ["REJECTED"] == asked(ion, made)


def test_request_is_resolved_by_team_or_role(ion: Ion) -> None:
    una, vic = ion.create_user("Una"), ion.create_user("Vic")
    team = ion.create("Team", name="Review")["id"]
    ion.mutate("addUserToTeam", teamId=team, userId=una.user_id)
    role = ion.create("Role", name="Reviewer")["id"]
    ion.mutate("attachRoleToUser", userId=vic.user_id, roleId=role)
    made = issue(ion)
    ask(ion, made, role, assignedTeamId=team)
    ask(ion, made, role)
    answer(ion, made, una)
    assert ["APPROVED", "PENDING"] == asked(ion, made)
    answer(ion, made, vic)
    assert ["APPROVED", "APPROVED"] == asked(ion, made)
    assert {"approved": True} == ion.get("issue", made, "approved")


def test_reset_reopens_approval_requests(ion: Ion) -> None:
    wim = ion.create_user("Wim")
    made = issue(ion)
    ask(ion, made, 1, assignedToId=wim.user_id)
    answer(ion, made, wim)
    before = ion.etag("issue", made)
    assert {"issueId": made} == ion.mutate("resetIssueApprovals", issueId=made, etag=before)
    assert ["PENDING"] == asked(ion, made)
    assert before == ion.etag("issue", made)
    assert "etag does not match" in ion.mutation_error(
        "resetIssueApprovals", issueId=made, etag="old"
    )
    assert {"approved": False} == ion.get("issue", made, "approved")
    answer(ion, made, wim)
    assert (["APPROVED"], {"approved": True}) == (
        asked(ion, made),
        ion.get("issue", made, "approved"),
    )


def test_issue_is_resolved_with_enough_approvals(ion: Ion) -> None:
    made = issue(ion)
    ion.update_settings("updateOrganization", settings={"issues": {"numApproversRequired": 1}})
    refusal = ion.update_error("issue", made, status="RESOLVED")
    assert f"Issue {made} needs 1 approvals and has 0." == refusal
    answer(ion, made, ion.create_user("Xenia"))
    ion.update("issue", made, status="RESOLVED")
    ion.update_settings("updateOrganization", settings={"issues": {"numApproversRequired": 0}})
    assert "RESOLVED" == status(ion, made)


def test_step_waits_for_its_issues_if_configured(ion: Ion) -> None:
    step = run_step(ion, "seal")
    made = issue(ion, mustCloseByRunStepId=step)
    assert {"blockingIssues": [{"id": made}]} == ion.get("runStep", step, "blockingIssues { id }")
    ion.update_settings(
        "updateOrganization",
        settings={"issues": {"enforceIssuesResolvedBeforeStepContinuation": True}},
    )
    refusal = ion.update_error("runStep", step, status="IN_PROGRESS")
    assert f"Step seal cannot start: issue {made} is not resolved." == refusal
    ion.update("issue", made, status="RESOLVED")
    assert {"blockingIssues": []} == ion.get("runStep", step, "blockingIssues { id }")
    ion.update("runStep", step, status="IN_PROGRESS")


def test_failed_step_creates_an_issue_if_configured(ion: Ion) -> None:
    step = run_step(ion, "weld")
    ion.update_settings(
        "updateOrganization", settings={"issues": {"createIssueOnStepFailure": True}}
    )
    ion.update("runStep", step, status="FAILED")
    assert {"issues": [{"title": "Step weld failed", "status": "PENDING"}]} == ion.get(
        "runStep", step, "issues { title status }"
    )


def test_issue_relation_is_unique_and_not_to_itself(ion: Ion) -> None:
    first, second = issue(ion), issue(ion)
    pair = {"originIssueId": first, "relatedIssueId": second}
    ion.mutate("createIssueRelation", **pair)
    assert {"relatedIssues": [{"id": second}]} == ion.get("issue", first, "relatedIssues { id }")
    assert {"originIssues": [{"id": first}]} == ion.get("issue", second, "originIssues { id }")
    assert "not unique" in ion.mutation_error("createIssueRelation", **pair)
    assert "related to itself" in ion.mutation_error(
        "createIssueRelation", originIssueId=first, relatedIssueId=first
    )


def test_inventory_is_added_to_an_issue_and_removed(ion: Ion) -> None:
    part = ion.create("Part", partNumber="P2")["id"]
    piece = ion.create("PartInventory", partId=part, quantity=1)["id"]
    made = issue(ion)
    ion.mutate("createIssuePartInventory", issueId=made, partInventoryId=piece)
    assert {"partInventories": [{"id": piece}]} == ion.get("issue", made, "partInventories { id }")
    (tie,) = ion.list_all("issuePartInventories", "_etag", issueId={"eq": made})
    ion.mutate("deleteIssuePartInventory", issueId=made, partInventoryId=piece, etag=tie["_etag"])
    assert {"partInventories": [], "partInventory": None} == ion.get(
        "issue", made, "partInventories { id } partInventory { id }"
    )
