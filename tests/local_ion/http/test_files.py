"""Upload and download of files by signed URLs."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from ultraviolet.local_ion.auth.viewers import Credentials
from ultraviolet.local_ion.http.app import create_app
from ultraviolet.local_ion.server import LocalIonServer, ServeOptions

CREATE = """mutation($input: CreateFileAttachmentInput!) { made: %s(input: $input)
  { uploadUrl fileAttachment { id entityId filename contentType s3Bucket s3Key } } }"""
SEE = "query($id: ID!) { found: fileAttachment(id: $id) { downloadUrl url filename s3Key } }"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    process = LocalIonServer(
        ServeOptions(data=tmp_path_factory.mktemp("ion"), plant=False), Credentials("id", "secret")
    )
    with TestClient(create_app(process.app_state, lifespan=[process.lifespan])) as client:
        form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
        path = "/realms/api-keys/protocol/openid-connect/token"
        client.headers["authorization"] = client.post(path, data=form).json()["access_token"]
        yield client


def ask(client: TestClient[Any], query: str, **variables: Any) -> Any:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    (value,) = answer["data"].values()
    return value


def supplier(client: TestClient[Any]) -> dict[str, Any]:
    made = 'mutation { createSupplier(input: {name: "Acme"}) { supplier { id entityId _etag } } }'
    return ask(client, made)["supplier"]


@pytest.mark.parametrize("mutation", ["createFileAttachment", "createAsset"])
def test_uploaded_content_is_downloaded(client: TestClient[Any], mutation: str) -> None:
    owner = supplier(client)
    values = {"entityId": owner["entityId"], "filename": "drawing ä.pdf"}
    made = ask(client, CREATE % mutation, input=values)
    file = made["fileAttachment"]
    assert ("application/pdf", owner["entityId"], "local-ion") == (
        file["contentType"],
        file["entityId"],
        file["s3Bucket"],
    )
    found = ask(client, SEE, id=file["id"])
    assert 404 == client.get(found["downloadUrl"]).status_code

    content = os.urandom(300_000)
    put = client.put(
        made["uploadUrl"], content=content, headers={"content-type": file["contentType"]}
    )
    got = client.get(found["downloadUrl"])

    assert (200, content, "application/pdf") == (
        put.status_code,
        got.content,
        got.headers["content-type"],
    )
    assert "drawing" in got.headers["content-disposition"]
    assert found["url"] == found["downloadUrl"]


def test_signed_url_is_valid_only_for_its_purpose(client: TestClient[Any]) -> None:
    made = ask(client, CREATE % "createFileAttachment", input={"filename": "a.txt"})
    read = ask(client, SEE, id=made["fileAttachment"]["id"])["downloadUrl"]
    assert 403 == client.put(read, content=b"x").status_code
    assert 403 == client.get(made["uploadUrl"]).status_code
    assert 403 == client.get(read.replace("signature=", "signature=0")).status_code


def test_large_file_is_accepted(client: TestClient[Any]) -> None:
    made = ask(client, CREATE % "createFileAttachment", input={"filename": "big.bin"})
    content = bytes(12 * 1024 * 1024)
    assert 200 == client.put(made["uploadUrl"], content=content).status_code
    found = ask(client, SEE, id=made["fileAttachment"]["id"])
    assert len(content) == len(client.get(found["downloadUrl"]).content)


@pytest.mark.parametrize(
    ("create", "delete"),
    [("createFileAttachment", "deleteFileAttachment"), ("createAsset", "deleteAsset")],
)
def test_deleted_file_does_not_exist(client: TestClient[Any], create: str, delete: str) -> None:
    owner = supplier(client)
    made = ask(client, CREATE % create, input={"entityId": owner["entityId"], "filename": "a"})
    id_ = made["fileAttachment"]["id"]
    client.put(made["uploadUrl"], content=b"x")
    read = ask(client, SEE, id=id_)["downloadUrl"]
    gone = f"""mutation($input: DeleteFileAttachmentInput!) {{ {delete}(input: $input)
      {{ fileAttachmentId entityId }} }}"""
    assert {"fileAttachmentId": id_, "entityId": owner["entityId"]} == ask(
        client, gone, input={"fileAttachmentId": id_, "entityId": owner["entityId"]}
    )
    assert 404 == client.get(read).status_code
    assert ask(client, SEE, id=id_) is None


def test_file_is_shown_at_its_owner(client: TestClient[Any]) -> None:
    owner = supplier(client)
    ask(
        client,
        CREATE % "createFileAttachment",
        input={"entityId": owner["entityId"], "filename": "b.txt"},
    )
    read = "query($id: ID!) { supplier(id: $id) { _etag fileAttachments { filename } } }"
    seen = ask(client, read, id=owner["id"])
    assert [{"filename": "b.txt"}] == seen["fileAttachments"]
    assert owner["_etag"] == seen["_etag"]


def test_url_of_a_file_ends_in_its_name_and_is_the_value_of_its_attribute(
    client: TestClient[Any],
) -> None:
    org = ask(client, "{ me { organization { id _etag } } }")["organization"]
    define = "mutation($i: UpdateAttributeSettingsInput!) { updateOrganizationSupplierAttributes(input: $i) { organization { id } } }"
    given = {"id": org["id"], "etag": org["_etag"], "key": "Certificate", "type": "FILE_ATTACHMENT"}
    ask(client, define, i=given)
    owner = supplier(client)
    name = "Prüf bericht/1.pdf"
    made = ask(client, CREATE % "createFileAttachment", input={"filename": name})
    client.put(made["uploadUrl"], content=b"pdf")
    file = made["fileAttachment"]["id"]
    url = ask(client, SEE, id=file)["downloadUrl"]
    assert url.split("?")[0].endswith("/1.pdf")
    assert b"pdf" == client.get(url).content
    read = (
        "query($id: ID!) { supplier(id: $id) { attributes { key value fileAttachmentId Etag } } }"
    )
    (unset,) = ask(client, read, id=owner["id"])["attributes"]
    change = "mutation($i: UpdateSupplierAttributeInput!) { updateSupplierAttribute(input: $i) { supplierAttribute { value fileAttachmentId Etag } } }"
    values = {"supplierId": owner["id"], "key": "Certificate", "etag": unset["Etag"]}
    for value in (file, url):
        answer = ask(client, change, i={**values, "value": value})["supplierAttribute"]
        assert {"value": url, "fileAttachmentId": file} == {
            n: answer[n] for n in ("value", "fileAttachmentId")
        }
        values["etag"] = answer["Etag"]
    wrong = {"query": change, "variables": {"i": {**values, "value": "no file"}}}
    shown = client.post("/graphql", json=wrong, headers=client.headers).json()
    assert "expected a file attachment" in shown["errors"][0]["message"]
    cleared = ask(client, change, i={**values, "value": None})["supplierAttribute"]
    assert (None, None) == (cleared["value"], cleared["fileAttachmentId"])


@pytest.mark.parametrize("name", ["..", ".", "a/..", "...", "?.pdf", "a b#c", "%2e%2e"])
def test_any_file_name_is_downloaded(client: TestClient[Any], name: str) -> None:
    values = {"entityId": supplier(client)["entityId"], "filename": name}
    made = ask(client, CREATE % "createFileAttachment", input=values)
    assert client.put(made["uploadUrl"], content=name.encode()).status_code == 200
    found = ask(client, SEE, id=made["fileAttachment"]["id"])
    assert found["filename"] == name
    answer = client.get(found["downloadUrl"])
    assert (answer.status_code, answer.content) == (200, name.encode())
