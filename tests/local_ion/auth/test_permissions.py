"""People: users, teams, roles and invitations, and what the keys they make may do for ever."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.viewers import Viewer, load_viewer

ion = shared()
NUMBERS = itertools.count()


def role(ion: Ion, *groups: str) -> int:
    """Have a role that holds the permission groups of these queries and mutations."""
    made = ion.make("Role", name=f"Role {next(NUMBERS)}")["id"]
    for group in groups:
        ion.do("attachPermissionGroupToRole", roleId=made, permissionGroupId=group_of(ion, group))
    return made


def group_of(ion: Ion, name: str) -> int:
    (group,) = ion.all("permissionGroups", name={"eq": name})
    return group["id"]


def key(ion: Ion, viewer: Viewer) -> dict[str, Any]:
    return ion.do(
        "createApiKey", "apikey { clientId clientSecret enabled _etag createdById }", viewer
    )["apikey"]


def with_key(ion: Ion, made: dict[str, Any]) -> Viewer | None:
    """Return the viewer that signs in with a key."""
    claims = api_keys.authenticate(ion.ion.store, made["clientId"], made["clientSecret"])
    return None if claims is None else load_viewer(ion.ion.store, claims)


def test_a_user_is_in_teams_and_holds_roles(ion: Ion) -> None:
    ann = ion.person("Ann").user_id
    team, held = ion.make("Team", name="Welders", supervisorId=ann)["id"], role(ion)
    assert {"teamId": team, "userId": ann} == ion.do("addUserToTeam", teamId=team, userId=ann)
    ion.do("attachRoleToUser", userId=ann, roleId=held)
    ion.do("attachRoleToTeam", teamId=team, roleId=held)
    assert {"teams": [{"id": team}], "roles": [{"id": held}], "isAdmin": False} == ion.see(
        "user", ann, "teams { id } roles { id } isAdmin"
    )
    shown = "users { id } roles { id } supervisor { id } _UsersCount"
    assert {
        "users": [{"id": ann}],
        "roles": [{"id": held}],
        "supervisor": {"id": ann},
        "_UsersCount": 1,
    } == (ion.see("team", team, shown))
    assert {"userRoles": [{"userId": ann}], "teamRoles": [{"teamId": team}]} == ion.see(
        "role", held, "userRoles { userId } teamRoles { teamId }"
    )
    ion.do("removeUserFromTeam", teamId=team, userId=ann)
    ion.do("detachRoleFromUser", userId=ann, roleId=held)
    ion.do("detachRoleFromTeam", teamId=team, roleId=held)
    assert {"teams": [], "roles": []} == ion.see("user", ann, "teams { id } roles { id }")
    assert {"users": [], "roles": []} == ion.see("team", team, "users { id } roles { id }")


def test_tying_what_is_tied_changes_nothing(ion: Ion) -> None:
    ben, team = ion.person("Ben").user_id, ion.make("Team", name="Painters")["id"]
    ion.do("addUserToTeam", teamId=team, userId=ben)
    before = ion.etag("team", team)
    ion.do("addUserToTeam", teamId=team, userId=ben)
    assert before == ion.etag("team", team)
    assert "User 999999 does not exist." == ion.refused(
        "addUserToTeam", teamId=team, userId=999_999
    )


def test_teams_and_roles_go_without_an_etag_and_with_their_ties(ion: Ion) -> None:
    cat, team, held = (
        ion.person("Cat").user_id,
        ion.make("Team", name="Movers")["id"],
        role(ion, "parts"),
    )
    ion.do("addUserToTeam", teamId=team, userId=cat)
    ion.do("attachRoleToTeam", teamId=team, roleId=held)
    assert {"id": held} == ion.do("deleteRole", id=held)
    assert {"id": team} == ion.do("deleteTeam", id=team)
    assert {"teams": []} == ion.see("user", cat, "teams { id }")
    assert "not unique" in ion.refused("createRole", name="Admin")


def test_roles_hold_permission_groups(ion: Ion) -> None:
    held = role(ion, "parts", "createPart")
    shown = "permissionGroups { name } permissions { action resource }"
    seen = ion.see("role", held, shown)
    assert ["createPart", "parts"] == sorted(g["name"] for g in seen["permissionGroups"])
    assert {("read", "parts"), ("create", "createPart")} == {
        (p["action"].lower(), p["resource"]) for p in seen["permissions"]
    }
    dan = ion.person("Dan").user_id
    ion.do("attachRoleToUser", userId=dan, roleId=held)
    groups = ion.see("user", dan, "permissionGroups { name }")["permissionGroups"]
    assert {"parts", "createPart"} == {g["name"] for g in groups}
    ion.do("detachPermissionGroupFromRole", roleId=held, permissionGroupId=group_of(ion, "parts"))
    assert {"permissionGroups": [{"name": "createPart"}]} == ion.see(
        "role", held, "permissionGroups { name }"
    )


def test_everything_that_can_be_asked_or_done_has_a_permission_group(ion: Ion) -> None:
    query, mutation = ion.ion.schema.query_type, ion.ion.schema.mutation_type
    assert query is not None
    assert mutation is not None
    names = [g["name"] for g in ion.all("permissionGroups", "name")]
    assert sorted([*query.fields, *mutation.fields]) == sorted(names)


def test_a_key_may_what_its_maker_might_when_it_was_made(ion: Ion) -> None:
    eve = ion.person("Eve")
    buyer = role(ion, "parts", "suppliers", "createApiKey")
    ion.do("attachRoleToUser", userId=eve.user_id, roleId=buyer)
    made = key(ion, eve)
    signed_in = with_key(ion, made)
    assert signed_in is not None
    assert (eve.user_id, eve.user_id) == (made["createdById"], signed_in.user_id)

    ion.do("detachRoleFromUser", userId=eve.user_id, roleId=buyer)
    ion.do("attachRoleToUser", userId=eve.user_id, roleId=1)
    assert signed_in == with_key(ion, made)  # neither less nor more
    assert [] == ion.data("{ parts { edges { node { id } } } }", signed_in)["edges"]
    refusal = "User does not have permission to {} this resource."
    assert refusal.format("read") == ion.error("{ locations { edges { node { id } } } }", signed_in)
    etag = {"id": 1, "etag": "x"}
    for mutation, values in (
        ("createPart", {"partNumber": "P"}),
        ("updatePart", etag),
        ("deletePart", etag),
    ):
        assert refusal.format("update") == ion.refused(mutation, signed_in, **values)


def test_a_key_of_an_administrator_may_everything(ion: Ion) -> None:
    signed_in = with_key(ion, key(ion, Viewer(1)))
    assert signed_in == Viewer(1)


def test_a_key_of_a_team_member_may_what_the_team_may(ion: Ion) -> None:
    fay, team = ion.person("Fay"), ion.make("Team", name="Buyers")["id"]
    ion.do("addUserToTeam", teamId=team, userId=fay.user_id)
    ion.do("attachRoleToTeam", teamId=team, roleId=role(ion, "parts", "createApiKey"))
    signed_in = with_key(ion, key(ion, fay))
    assert signed_in is not None
    assert {"parts", "createApiKey"} == signed_in.permissions


def test_what_a_key_may_not_read_is_left_out_without_a_word(ion: Ion) -> None:
    part = ion.make("Part", partNumber=f"hidden {next(NUMBERS)}")["id"]
    unit = ion.data("{ unitsOfMeasurement { edges { node { id } } } }")["edges"][0]["node"]["id"]
    ion.edit("part", part, unitOfMeasureId=unit)
    ion.make("PartInventory", partId=part, quantity=1)
    order = ion.make("PurchaseOrder", supplierId=ion.make("Supplier", name="S")["id"])["id"]
    shown = "supplier { id } supplierId purchaseOrderLines { part { id } } _PurchaseOrderLinesCount"
    ion.make("PurchaseOrderLine", purchaseOrderId=order, partId=part, quantity=1)
    blind = Viewer(1, frozenset({"part", "purchaseOrder"}))
    query = "query($id: ID!) {{ {}(id: $id) {{ {} }} }}"
    seen = ion.ask(query.format("purchaseOrder", shown), blind, id=order)
    assert "errors" not in seen
    supplier = ion.see("purchaseOrder", order, "supplierId")["supplierId"]
    assert {
        "supplier": None,
        "supplierId": supplier,
        "purchaseOrderLines": [],
        "_PurchaseOrderLinesCount": 0,
    } == seen["data"]["purchaseOrder"]
    seen = ion.data(
        query.format("part", "partsInventory { id } unitOfMeasure { type }"), blind, id=part
    )
    assert {"partsInventory": [], "unitOfMeasure": None} == seen


def test_a_key_is_switched_off_renewed_and_deleted(ion: Ion) -> None:
    made = key(ion, Viewer(1))
    given = {"clientId": made["clientId"]}
    shown = "apikey { enabled clientSecret _etag }"
    off = ion.do("updateApiKey", shown, **given, _etag=made["_etag"], enabled=False)["apikey"]
    assert (False, None, None) == (off["enabled"], off["clientSecret"], with_key(ion, made))
    on = ion.do("updateApiKey", shown, **given, _etag=off["_etag"], enabled=True)["apikey"]
    assert Viewer(1) == with_key(ion, made)
    new = ion.do("updateApiKey", shown, **given, _etag=on["_etag"], regenerateSecret=True)["apikey"]
    assert (None, Viewer(1)) == (with_key(ion, made), with_key(ion, {**made, **new}))
    assert "etag does not match" in ion.refused("deleteApiKey", **given, _etag=made["_etag"])
    ion.do("deleteApiKey", **given, _etag=new["_etag"])
    assert with_key(ion, {**made, **new}) is None


def test_a_secret_is_shown_once_and_never_listed(ion: Ion) -> None:
    made = key(ion, Viewer(1))
    listed = ion.data("{ apiKeys { edges { node { clientId clientSecret } } } }")["edges"]
    assert [None] == [
        e["node"]["clientSecret"] for e in listed if e["node"]["clientId"] == made["clientId"]
    ]


def test_the_keys_of_who_is_deactivated_are_off(ion: Ion) -> None:
    gus = ion.person("Gus")
    ion.do("attachRoleToUser", userId=gus.user_id, roleId=1)
    made = key(ion, gus)
    assert gus == with_key(ion, made)
    ion.edit("user", gus.user_id, deactivated=True)
    assert with_key(ion, made) is None


@pytest.mark.parametrize(
    ("mutation", "status", "count"),
    [("resendInvite", "PENDING", 1), ("revokeInvite", "REVOKED", 0)],
)
def test_an_invitation_is_sent_again_or_taken_back(
    ion: Ion, mutation: str, status: str, count: int
) -> None:
    made = ion.make("Invite", "id _etag status resendCount", email="new@example.com", name="New")
    assert ("PENDING", 0) == (made["status"], made["resendCount"])
    shown = "invite { status resendCount _etag }"
    after = ion.do(mutation, shown, id=made["id"], etag=made["_etag"])["invite"]
    assert (status, count) == (after["status"], after["resendCount"])
    assert "etag does not match" in ion.refused(mutation, id=made["id"], etag=made["_etag"])
    if status == "REVOKED":
        refusal = ion.refused("resendInvite", id=made["id"], etag=after["_etag"])
        assert "This invitation is revoked already." == refusal


def test_who_am_i(ion: Ion) -> None:
    hal = ion.person("Hal")
    me = ion.data("{ me { id name email isAdmin organization { id domain } } }", hal)
    assert (hal.user_id, "Hal", "hal@ultraviolet.example", False) == tuple(
        me[n] for n in ("id", "name", "email", "isAdmin")
    )
    assert {"id": 1, "domain": "ultraviolet.example"} == me["organization"]
