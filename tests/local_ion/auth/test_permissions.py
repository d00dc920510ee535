"""Users, teams, roles, invitations, and the permissions of API keys."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.permission_groups import group_of as group_name
from ultraviolet.local_ion.auth.viewers import Viewer, load_viewer
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store import audit_log

ion = shared_ion()
CATALOG = load_catalog()
NUMBERS = itertools.count()


def role(ion: Ion, *groups: str) -> int:
    """Create a role with the permission groups of some root fields."""
    made = ion.create("Role", name=f"Role {next(NUMBERS)}")["id"]
    for group in groups:
        ion.mutate(
            "attachPermissionGroupToRole", roleId=made, permissionGroupId=group_of(ion, group)
        )
    return made


def group_of(ion: Ion, name: str) -> int:
    (group,) = ion.list_all("permissionGroups", name={"eq": name})
    return group["id"]


def key(ion: Ion, viewer: Viewer) -> dict[str, Any]:
    return ion.mutate(
        "createApiKey", "apikey { clientId clientSecret enabled _etag createdById }", viewer
    )["apikey"]


def with_key(ion: Ion, made: dict[str, Any]) -> Viewer | None:
    """Return the viewer that signs in with a key."""
    claims = api_keys.authenticate(ion.ion.store, made["clientId"], made["clientSecret"])
    return None if claims is None else load_viewer(ion.ion.store, claims)


def test_user_has_teams_and_roles(ion: Ion) -> None:
    ann = ion.create_user("Ann").user_id
    team, role_id = ion.create("Team", name="Welders", supervisorId=ann)["id"], role(ion)
    assert {"teamId": team, "userId": ann} == ion.mutate("addUserToTeam", teamId=team, userId=ann)
    ion.mutate("attachRoleToUser", userId=ann, roleId=role_id)
    ion.mutate("attachRoleToTeam", teamId=team, roleId=role_id)
    assert {"teams": [{"id": team}], "roles": [{"id": role_id}], "isAdmin": False} == ion.get(
        "user", ann, "teams { id } roles { id } isAdmin"
    )
    shown = "users { id } roles { id } supervisor { id } _UsersCount"
    assert {
        "users": [{"id": ann}],
        "roles": [{"id": role_id}],
        "supervisor": {"id": ann},
        "_UsersCount": 1,
    } == (ion.get("team", team, shown))
    assert {"userRoles": [{"userId": ann}], "teamRoles": [{"teamId": team}]} == ion.get(
        "role", role_id, "userRoles { userId } teamRoles { teamId }"
    )
    ion.mutate("removeUserFromTeam", teamId=team, userId=ann)
    ion.mutate("detachRoleFromUser", userId=ann, roleId=role_id)
    ion.mutate("detachRoleFromTeam", teamId=team, roleId=role_id)
    assert {"teams": [], "roles": []} == ion.get("user", ann, "teams { id } roles { id }")
    assert {"users": [], "roles": []} == ion.get("team", team, "users { id } roles { id }")


def test_repeated_association_changes_nothing(ion: Ion) -> None:
    ben, team = ion.create_user("Ben").user_id, ion.create("Team", name="Painters")["id"]
    ion.mutate("addUserToTeam", teamId=team, userId=ben)
    before = ion.etag("team", team)
    ion.mutate("addUserToTeam", teamId=team, userId=ben)
    assert before == ion.etag("team", team)
    assert "User 999999 does not exist." == ion.mutation_error(
        "addUserToTeam", teamId=team, userId=999_999
    )


def test_teams_and_roles_are_deleted_without_etag_and_with_associations(ion: Ion) -> None:
    cat, team, role_id = (
        ion.create_user("Cat").user_id,
        ion.create("Team", name="Movers")["id"],
        role(ion, "UpdatePart"),
    )
    ion.mutate("addUserToTeam", teamId=team, userId=cat)
    ion.mutate("attachRoleToTeam", teamId=team, roleId=role_id)
    assert {"id": role_id} == ion.mutate("deleteRole", id=role_id)
    assert {"id": team} == ion.mutate("deleteTeam", id=team)
    assert {"teams": []} == ion.get("user", cat, "teams { id }")
    assert "not unique" in ion.mutation_error("createRole", name="Admin")


def test_roles_include_permission_groups(ion: Ion) -> None:
    role_id = role(ion, "UpdatePart", "CreatePart")
    shown = "permissionGroups { name } permissions { action resource }"
    seen = ion.get("role", role_id, shown)
    assert ["CreatePart", "UpdatePart"] == sorted(g["name"] for g in seen["permissionGroups"])
    assert {("update", "UpdatePart"), ("create", "CreatePart")} == {
        (p["action"].lower(), p["resource"]) for p in seen["permissions"]
    }
    dan = ion.create_user("Dan").user_id
    ion.mutate("attachRoleToUser", userId=dan, roleId=role_id)
    groups = ion.get("user", dan, "permissionGroups { name }")["permissionGroups"]
    assert {"UpdatePart", "CreatePart"} == {g["name"] for g in groups}
    ion.mutate(
        "detachPermissionGroupFromRole",
        roleId=role_id,
        permissionGroupId=group_of(ion, "UpdatePart"),
    )
    assert {"permissionGroups": [{"name": "CreatePart"}]} == ion.get(
        "role", role_id, "permissionGroups { name }"
    )


def test_permission_groups_are_those_of_ion(ion: Ion) -> None:
    listed = ion.list_all("permissionGroups", "name family")
    groups = {(group["name"], group["family"]) for group in listed}
    assert len(groups) == 301
    assert {
        ("CreateMRPJob", "MRPJob"),
        ("UpdatePart", "Part"),
        ("CreateABomForPartInventory", "ABomItem"),
        ("UpdateAPIKey", "APIKeyObject"),
        ("AddLabelToProcedureFamily", "ProcedureFamilyLabel"),
        ("IssueItemToKit", "PartInventory"),
        ("AttachRoleToUser", "User"),
        ("DeleteOrganizationStepAttributes", "Organization"),
        ("ImportStepsFromPDF", "Step"),
        ("DeleteAnalyticsCredential", "AnalyticsCredential"),
    } <= groups


def test_mutations_newer_than_the_groups_need_the_permission_of_a_similar_one(ion: Ion) -> None:
    assert group_name("createRuns", CATALOG) == "CreateRun"
    assert group_name("updateMbomItemReferenceDesignator", CATALOG) == "UpdateMBomItem"
    jo = ion.create_user("Jo")
    ion.mutate("attachRoleToUser", userId=jo.user_id, roleId=role(ion, "CreateRun", "CreateAPIKey"))
    signed_in = with_key(ion, key(ion, jo))
    assert signed_in is not None
    assert [] == ion.mutate("createRuns", "runs { id }", signed_in, input=[])["runs"]
    assert "User does not have permission" in ion.mutation_error("updateRuns", signed_in, input=[])


def test_api_key_keeps_permissions_of_creation_time(ion: Ion) -> None:
    eve = ion.create_user("Eve")
    buyer = role(ion, "UpdateSupplier", "CreateAPIKey")
    ion.mutate("attachRoleToUser", userId=eve.user_id, roleId=buyer)
    made = key(ion, eve)
    signed_in = with_key(ion, made)
    assert signed_in is not None
    assert eve.user_id == made["createdById"]

    ion.mutate("detachRoleFromUser", userId=eve.user_id, roleId=buyer)
    ion.mutate("attachRoleToUser", userId=eve.user_id, roleId=1)
    assert signed_in == with_key(ion, made)  # neither less nor more
    ion.data("{ locations { edges { node { id } } } }", signed_in)  # reads need no permission
    refusal = "User does not have permission to update this resource."
    etag = {"id": 1, "etag": "x"}
    for mutation, values in (
        ("createPart", {"partNumber": "P"}),
        ("updatePart", etag),
        ("deletePart", etag),
    ):
        assert refusal == ion.mutation_error(mutation, signed_in, **values)


def test_reads_need_permissions_without_the_quirk(tmp_path: Path) -> None:
    strict = Ion(tmp_path, Quirks.without(["reads_need_no_permission"]))
    names = {group["name"] for group in strict.list_all("permissionGroups", "name")}
    assert {"parts", "part", "CreatePart"} <= names
    kay = strict.create_user("Kay")
    reader = role(strict, "parts", "CreateAPIKey")
    strict.mutate("attachRoleToUser", userId=kay.user_id, roleId=reader)
    signed_in = with_key(strict, key(strict, kay))
    assert signed_in is not None
    assert [] == strict.data("{ parts { edges { node { id } } } }", signed_in)["edges"]
    refusal = "User does not have permission to read this resource."
    assert refusal == strict.error("{ locations { edges { node { id } } } }", signed_in)
    strict.ion.close()


def test_api_key_of_an_administrator_has_all_permissions(ion: Ion) -> None:
    signed_in = with_key(ion, key(ion, Viewer(1)))
    assert signed_in is not None
    assert signed_in.permissions is None


def test_api_key_of_a_team_member_has_the_permissions_of_the_team(ion: Ion) -> None:
    fay, team = ion.create_user("Fay"), ion.create("Team", name="Buyers")["id"]
    ion.mutate("addUserToTeam", teamId=team, userId=fay.user_id)
    ion.mutate("attachRoleToTeam", teamId=team, roleId=role(ion, "UpdatePart", "CreateAPIKey"))
    signed_in = with_key(ion, key(ion, fay))
    assert signed_in is not None
    assert signed_in.permissions is not None
    assert {"parts", "updatePart", "createApiKey"} <= signed_in.permissions
    assert "deletePart" not in signed_in.permissions


def test_objects_without_read_permission_are_omitted(ion: Ion) -> None:
    part = ion.create("Part", partNumber=f"hidden {next(NUMBERS)}")["id"]
    unit = ion.data("{ unitsOfMeasurement { edges { node { id } } } }")["edges"][0]["node"]["id"]
    ion.update("part", part, unitOfMeasureId=unit)
    ion.create("PartInventory", partId=part, quantity=1)
    order = ion.create("PurchaseOrder", supplierId=ion.create("Supplier", name="S")["id"])["id"]
    shown = "supplier { id } supplierId purchaseOrderLines { part { id } } _PurchaseOrderLinesCount"
    ion.create("PurchaseOrderLine", purchaseOrderId=order, partId=part, quantity=1)
    limited = Viewer(1, frozenset({"part", "purchaseOrder"}))
    query = "query($id: ID!) {{ {}(id: $id) {{ {} }} }}"
    seen = ion.execute(query.format("purchaseOrder", shown), limited, id=order)
    assert "errors" not in seen
    supplier = ion.get("purchaseOrder", order, "supplierId")["supplierId"]
    assert {
        "supplier": None,
        "supplierId": supplier,
        "purchaseOrderLines": [],
        "_PurchaseOrderLinesCount": 0,
    } == seen["data"]["purchaseOrder"]
    seen = ion.data(
        query.format("part", "partsInventory { id } unitOfMeasure { type }"), limited, id=part
    )
    assert {"partsInventory": [], "unitOfMeasure": None} == seen


def test_api_key_is_disabled_renewed_and_deleted(ion: Ion) -> None:
    made = key(ion, Viewer(1))
    given = {"clientId": made["clientId"]}
    shown = "apikey { enabled clientSecret _etag }"
    off = ion.mutate("updateApiKey", shown, **given, _etag=made["_etag"], enabled=False)["apikey"]
    assert (False, None, None) == (off["enabled"], off["clientSecret"], with_key(ion, made))
    on = ion.mutate("updateApiKey", shown, **given, _etag=off["_etag"], enabled=True)["apikey"]
    signed_in = with_key(ion, made)
    assert signed_in is not None
    new = ion.mutate("updateApiKey", shown, **given, _etag=on["_etag"], regenerateSecret=True)[
        "apikey"
    ]
    assert (None, signed_in) == (with_key(ion, made), with_key(ion, {**made, **new}))
    assert "etag does not match" in ion.mutation_error("deleteApiKey", **given, _etag=made["_etag"])
    ion.mutate("deleteApiKey", **given, _etag=new["_etag"])
    assert with_key(ion, {**made, **new}) is None
    assert ion.get("user", signed_in.user_id, "deactivated") == {"deactivated": True}


def test_service_user_is_named_by_what_its_key_changes(ion: Ion) -> None:
    ira = ion.create_user("Ira")
    ion.mutate("attachRoleToUser", userId=ira.user_id, roleId=1)
    made = key(ion, ira)
    viewer = with_key(ion, made)
    assert viewer is not None
    shown = "id name email ionBot isAdmin"
    me = ion.data(f"{{ me {{ {shown} }} }}", viewer)
    assert (me["name"], me["ionBot"], me["isAdmin"]) == ("Service user", True, True)
    assert me["email"].startswith(made["clientId"])
    part = ion.mutate(
        "createPart", "part { id createdBy { id } }", viewer, partNumber="by a service user"
    )["part"]
    assert part["createdBy"] == {"id": me["id"]}
    actions = audit_log.actions_of_row(ion.ion.store.connection, "parts", str(part["id"]))
    assert {action.actor_id for action in actions} == {me["id"]}
    second = with_key(ion, key(ion, viewer))
    assert second is not None
    assert (second.user_id != me["id"], second.permissions) == (True, None)
    ion.update("user", ira.user_id, deactivated=True)
    assert with_key(ion, made) == viewer  # a key outlives its creator


def test_roles_of_a_service_user_decide_what_its_key_may_do(ion: Ion) -> None:
    made = key(ion, Viewer(1))
    viewer = with_key(ion, made)
    assert viewer is not None
    user = {"userId": viewer.user_id}
    ion.mutate("detachRoleFromUser", **user, roleId=1)
    refusal = "User does not have permission to update this resource."
    for allowed, mutation in ((set(), "createPart"), ({"createPart"}, "updatePart")):
        signed_in = with_key(ion, made)
        assert signed_in is not None
        assert signed_in.permissions is not None
        assert allowed == {"createPart", "updatePart"} & signed_in.permissions
        values = {"partNumber": "x"} if mutation == "createPart" else {"id": 1, "etag": "x"}
        assert refusal == ion.mutation_error(mutation, signed_in, **values)
        ion.mutate(
            "attachRoleToUser", **user, roleId=role(ion, f"{mutation[0].upper()}{mutation[1:]}")
        )
    signed_in = with_key(ion, made)
    assert signed_in is not None
    assert signed_in.permissions is not None
    assert {"createPart", "updatePart"} <= signed_in.permissions  # roles add up
    groups = ion.data("{ me { permissionGroups { name } } }", signed_in)["permissionGroups"]
    assert {"CreatePart", "UpdatePart"} == {group["name"] for group in groups}


def test_key_of_a_limited_key_has_no_more_than_it(ion: Ion) -> None:
    limited = Viewer(1, frozenset({"createApiKey", "createPart", "parts"}))
    signed_in = with_key(ion, key(ion, limited))
    assert signed_in is not None
    assert limited.permissions == signed_in.permissions


def test_secret_of_an_api_key_is_shown_only_once(ion: Ion) -> None:
    made = key(ion, Viewer(1))
    listed = ion.data("{ apiKeys { edges { node { clientId clientSecret } } } }")["edges"]
    assert [None] == [
        e["node"]["clientSecret"] for e in listed if e["node"]["clientId"] == made["clientId"]
    ]


def test_keys_act_as_their_creator_without_the_quirk(tmp_path: Path) -> None:
    older = Ion(tmp_path, Quirks.without(["service_users"]))
    gus = older.create_user("Gus")
    older.mutate("attachRoleToUser", userId=gus.user_id, roleId=1)
    made = key(older, gus)
    assert gus == with_key(older, made)
    older.update("user", gus.user_id, deactivated=True)
    assert with_key(older, made) is None
    older.ion.close()


@pytest.mark.parametrize(
    ("mutation", "status", "count"),
    [("resendInvite", "PENDING", 1), ("revokeInvite", "REVOKED", 0)],
)
def test_invitation_is_resent_or_revoked(ion: Ion, mutation: str, status: str, count: int) -> None:
    made = ion.create("Invite", "id _etag status resendCount", email="new@example.com", name="New")
    assert ("PENDING", 0) == (made["status"], made["resendCount"])
    shown = "invite { status resendCount _etag }"
    after = ion.mutate(mutation, shown, id=made["id"], etag=made["_etag"])["invite"]
    assert (status, count) == (after["status"], after["resendCount"])
    assert "etag does not match" in ion.mutation_error(mutation, id=made["id"], etag=made["_etag"])
    if status == "REVOKED":
        refusal = ion.mutation_error("resendInvite", id=made["id"], etag=after["_etag"])
        assert "This invitation is revoked already." == refusal


def test_me_returns_the_current_user(ion: Ion) -> None:
    hal = ion.create_user("Hal")
    me = ion.data("{ me { id name email isAdmin organization { id domain } } }", hal)
    assert (hal.user_id, "Hal", "hal@ultraviolet.example", False) == tuple(
        me[n] for n in ("id", "name", "email", "isAdmin")
    )
    assert {"id": 1, "domain": "ultraviolet.example"} == me["organization"]
