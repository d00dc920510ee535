"""Attach a file to the first step of a run, and download it again."""

import json
import sys
from pathlib import Path

import requests
from ion_api import Ion

RUN = "query Run($id: ID!) { run(id: $id) { id steps { id position entityId } } }"
ATTACH = """
mutation F($input: CreateFileAttachmentInput!) {
  createFileAttachment(input: $input) { uploadUrl fileAttachment { id entityId filename contentType s3Bucket } }
}"""
READ = (
    "query A($id: ID!) { fileAttachment(id: $id) { id downloadUrl filename s3Key s3Bucket url } }"
)

ion = Ion()
run, path = sys.argv[1], Path(sys.argv[2])
step = ion.run(RUN, id=run)["run"]["steps"][0]
made = ion.run(ATTACH, input={"entityId": step["entityId"], "filename": path.name})[
    "createFileAttachment"
]
kind = made["fileAttachment"]["contentType"]
with path.open("rb") as file:
    put = requests.put(
        made["uploadUrl"], data=file, headers={"Content-Type": kind} if kind else {}, timeout=30
    )
put.raise_for_status()
found = ion.run(READ, id=made["fileAttachment"]["id"])["fileAttachment"]
got = requests.get(found["downloadUrl"], timeout=30)
print(json.dumps({"same": got.content == path.read_bytes(), "filename": found["filename"]}))
