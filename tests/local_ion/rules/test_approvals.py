"""Issues: what is wrong with what, who must agree, what waits for it, and which belong together."""

from typing import Any

from tests.local_ion.in_process_ion import Ion, shared

ion = shared()


def issue(ion: Ion, **values: Any) -> int:
    return ion.make("Issue", **{"title": "Scratch", **values})["id"]


def status(ion: Ion, issue_id: int) -> str:
    return ion.see("issue", issue_id, "status")["status"]


def ask(ion: Ion, issue_id: int, role: int, **values: Any) -> int:
    """Ask somebody of a role to approve an issue's resolution."""
    given = {"issueId": issue_id, "roleId": role, "issueApprovalGateType": "RESOLVED", **values}
    return ion.do("createIssueApprovalRequest", **given)["approvalRequest"]["id"]


def answer(
    ion: Ion, issue_id: int, viewer: Any, told: str = "APPROVED", gate: str = "RESOLVED"
) -> None:
    given = {"issueId": issue_id, "status": told, "issueApprovalGateType": gate}
    ion.do("createIssueApproval", None, viewer, **given)


def asked(ion: Ion, issue_id: int) -> list[str]:
    return [
        r["status"]
        for r in ion.see("issue", issue_id, "approvalRequests { status }")["approvalRequests"]
    ]


def run_step(ion: Ion, title: str = "one") -> int:
    run = ion.make("Run", title="Build")["id"]
    return ion.do("createRunStep", runId=run, title=title)["step"]["id"]


def test_an_issue_is_pending_and_named_unless_told(ion: Ion) -> None:
    made = ion.make("Issue", "id title status editable")
    assert (f"Issue {made['id']}", "PENDING", "true") == (
        made["title"],
        made["status"],
        made["editable"],
    )
    ion.edit("issue", made["id"], status="IN_PROGRESS")
    ion.edit("issue", made["id"], status="IN_REVIEW")
    ion.edit("issue", made["id"], status="RESOLVED")
    assert {"status": "RESOLVED", "editable": "false"} == ion.see(
        "issue", made["id"], "status editable"
    )


def test_an_issue_is_about_inventory_a_step_or_a_line(ion: Ion) -> None:
    part = ion.make("Part", partNumber="P1")["id"]
    pieces = [ion.make("PartInventory", partId=part, quantity=1)["id"] for _ in range(2)]
    step = run_step(ion)
    order = ion.make("PurchaseOrder")["id"]
    line = ion.make("PurchaseOrderLine", purchaseOrderId=order, quantity=1)["id"]
    made = issue(ion, partInventoryIds=pieces, runStepId=step, purchaseOrderLineId=line)
    shown = "partInventories { id } partInventory { id } partInventoryId runStep { id } purchaseOrderLine { id }"
    assert {
        "partInventories": [{"id": p} for p in pieces],
        "partInventory": {"id": pieces[0]},
        "partInventoryId": pieces[0],
        "runStep": {"id": step},
        "purchaseOrderLine": {"id": line},
    } == ion.see("issue", made, shown)
    assert {"issues": [{"id": made}]} == ion.see("partInventory", pieces[1], "issues { id }")
    assert {"issues": [{"id": made}]} == ion.see("purchaseOrderLine", line, "issues { id }")
    assert {"run": {"issues": [{"id": made}]}} == ion.see("runStep", step, "run { issues { id } }")


def test_a_disposition_says_what_is_to_be_done_and_who_decides(ion: Ion) -> None:
    role = ion.make("Role", name="Materials")["id"]
    kind = ion.make("IssueDispositionType", title="Rework", active=True)["id"]
    tie = {"issueDispositionTypeId": kind, "roleId": role, "issueApprovalGateType": "RESOLVED"}
    given = {k: v for k, v in tie.items() if k in known(ion, "CreateIssueDispositionTypeRoleInput")}
    ion.do("createIssueDispositionTypeRole", **given)
    made = issue(ion, issueDispositionTypeId=kind)
    assert {
        "issueDispositionType": {"title": "Rework", "roles": [{"name": "Materials"}]}
    } == ion.see("issue", made, "issueDispositionType { title roles { name } }")


def known(ion: Ion, kind: str) -> set[str]:
    return set(ion.ion.schema.type_map[kind].fields)  # type: ignore[attr-defined]


def test_a_request_is_settled_by_whom_it_names_only(ion: Ion) -> None:
    rita, tom = ion.person("Rita"), ion.person("Tom")
    made = issue(ion)
    ask(ion, made, 1, assignedToId=rita.user_id)
    answer(ion, made, tom)
    assert ["PENDING"] == asked(ion, made)
    answer(ion, made, rita, gate="IN_PROGRESS")  # the answer to another question
    assert ["PENDING"] == asked(ion, made)
    answer(ion, made, rita, "REJECTED")
    assert ["REJECTED"] == asked(ion, made)


def test_a_request_is_settled_by_a_team_or_by_anyone_of_the_role(ion: Ion) -> None:
    una, vic = ion.person("Una"), ion.person("Vic")
    team = ion.make("Team", name="Review")["id"]
    ion.do("addUserToTeam", teamId=team, userId=una.user_id)
    role = ion.make("Role", name="Reviewer")["id"]
    ion.do("attachRoleToUser", userId=vic.user_id, roleId=role)
    made = issue(ion)
    ask(ion, made, role, assignedTeamId=team)
    ask(ion, made, role)
    answer(ion, made, una)
    assert ["APPROVED", "PENDING"] == asked(ion, made)
    answer(ion, made, vic)
    assert ["APPROVED", "APPROVED"] == asked(ion, made)
    assert {"approved": True} == ion.see("issue", made, "approved")


def test_approvals_are_asked_for_anew_after_a_reset(ion: Ion) -> None:
    wim = ion.person("Wim")
    made = issue(ion)
    ask(ion, made, 1, assignedToId=wim.user_id)
    answer(ion, made, wim)
    before = ion.etag("issue", made)
    assert {"issueId": made} == ion.do("resetIssueApprovals", issueId=made, etag=before)
    assert ["PENDING"] == asked(ion, made)
    assert before != ion.etag("issue", made)
    assert "etag does not match" in ion.refused("resetIssueApprovals", issueId=made, etag=before)
    assert {"approved": False} == ion.see("issue", made, "approved")
    answer(ion, made, wim)
    assert (["APPROVED"], {"approved": True}) == (
        asked(ion, made),
        ion.see("issue", made, "approved"),
    )


def test_an_issue_is_resolved_with_enough_approvals(ion: Ion) -> None:
    made = issue(ion)
    ion.organize("updateOrganization", settings={"issues": {"numApproversRequired": 1}})
    refusal = ion.edit_refused("issue", made, status="RESOLVED")
    assert f"Issue {made} needs 1 approvals and has 0." == refusal
    answer(ion, made, ion.person("Xenia"))
    ion.edit("issue", made, status="RESOLVED")
    ion.organize("updateOrganization", settings={"issues": {"numApproversRequired": 0}})
    assert "RESOLVED" == status(ion, made)


def test_a_step_waits_for_its_issues_where_the_organization_says_so(ion: Ion) -> None:
    step = run_step(ion, "seal")
    made = issue(ion, mustCloseByRunStepId=step)
    assert {"blockingIssues": [{"id": made}]} == ion.see("runStep", step, "blockingIssues { id }")
    ion.organize(
        "updateOrganization",
        settings={"issues": {"enforceIssuesResolvedBeforeStepContinuation": True}},
    )
    refusal = ion.edit_refused("runStep", step, status="IN_PROGRESS")
    assert f"Step seal cannot start: issue {made} is not resolved." == refusal
    ion.edit("issue", made, status="RESOLVED")
    assert {"blockingIssues": []} == ion.see("runStep", step, "blockingIssues { id }")
    ion.edit("runStep", step, status="IN_PROGRESS")


def test_a_failed_step_makes_an_issue_where_the_organization_says_so(ion: Ion) -> None:
    step = run_step(ion, "weld")
    ion.organize("updateOrganization", settings={"issues": {"createIssueOnStepFailure": True}})
    ion.edit("runStep", step, status="FAILED")
    assert {"issues": [{"title": "Step weld failed", "status": "PENDING"}]} == ion.see(
        "runStep", step, "issues { title status }"
    )


def test_issues_are_related_but_not_to_themselves_nor_twice(ion: Ion) -> None:
    first, second = issue(ion), issue(ion)
    pair = {"originIssueId": first, "relatedIssueId": second}
    ion.do("createIssueRelation", **pair)
    assert {"relatedIssues": [{"id": second}]} == ion.see("issue", first, "relatedIssues { id }")
    assert {"originIssues": [{"id": first}]} == ion.see("issue", second, "originIssues { id }")
    assert "not unique" in ion.refused("createIssueRelation", **pair)
    assert "related to itself" in ion.refused(
        "createIssueRelation", originIssueId=first, relatedIssueId=first
    )


def test_inventory_is_tied_to_an_issue_and_untied(ion: Ion) -> None:
    part = ion.make("Part", partNumber="P2")["id"]
    piece = ion.make("PartInventory", partId=part, quantity=1)["id"]
    made = issue(ion)
    ion.do("createIssuePartInventory", issueId=made, partInventoryId=piece)
    assert {"partInventories": [{"id": piece}]} == ion.see("issue", made, "partInventories { id }")
    (tie,) = ion.all("issuePartInventories", "_etag", issueId={"eq": made})
    ion.do("deleteIssuePartInventory", issueId=made, partInventoryId=piece, etag=tie["_etag"])
    assert {"partInventories": [], "partInventory": None} == ion.see(
        "issue", made, "partInventories { id } partInventory { id }"
    )
