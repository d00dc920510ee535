"""Sessions are listed and corrected, as ION documents it."""

from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
SESSIONS = """query ($filters: SessionsInputFilters) { sessions(last: 5, filters: $filters) {
  edges { node { id _etag runStepId checkIn checkOut duration createdBy { email } } } } }"""


def test_sessions_are_listed_filtered_and_corrected(ion: Ion) -> None:
    procedure = ion.mutate("createProcedure", "procedure { id }", title="P")["procedure"]["id"]
    ion.create("Step", title="S", procedureId=procedure)
    part = ion.create("Part", partNumber="session")["id"]
    run = ion.create("Run", "steps { id }", title="R", procedureId=procedure, partId=part)
    step = run["steps"][0]["id"]
    ion.mutate("checkIn", runStepId=step)
    filters = {"runStepId": {"eq": step}, "checkOut": {"isnull": True}}
    (edge,) = ion.data(SESSIONS, filters=filters)["edges"]
    session = edge["node"]
    assert (session["runStepId"], session["checkOut"]) == (step, None)
    assert session["createdBy"] == {"email": "admin@ultraviolet.example"}
    given = {"id": session["id"], "etag": session["_etag"]}
    times = {"checkIn": "2026-01-05T08:00:00Z", "checkOut": "2026-01-05T08:30:00Z"}
    shown = "session { id checkIn checkOut duration _etag }"
    changed = ion.mutate("updateSession", shown, **given, **times)["session"]
    assert changed["duration"] == 1800
    assert "etag does not match" in ion.mutation_error("updateSession", **given, **times)
    again = {"id": session["id"], "etag": changed["_etag"], "checkOut": "2026-01-01T00:00:00Z"}
    assert "before it begins" in ion.mutation_error("updateSession", **again)
    (edge,) = ion.data(SESSIONS, filters={"duration": {"gte": 1000}})["edges"]
    assert edge["node"]["checkIn"].startswith("2026-01-05T08:00:00")
