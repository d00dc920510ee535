"""Write the catalog and the schema that are generated from the contract: `make catalog`.

With `--check`, only compare.
"""

import sys
from pathlib import Path

import msgspec

from ultraviolet.ion.contract import compiled, derive
from ultraviolet.ion.contract.parse import parse_contract

CATALOG = Path(__file__).parent.parent / "src/ultraviolet/ion/contract/catalog.json"
SCHEMA = compiled.FILE


def generate() -> bytes:
    """Return the parsed contract as JSON, one line per resource so that changes are easy to review."""
    contract = parse_contract()
    resources = b",\n".join(
        msgspec.json.encode(name) + b":" + msgspec.json.encode(resource)
        for name, resource in contract.resources.items()
    )
    return b'{"resources":{\n' + resources + b'\n},"types":' + bytes(contract.types) + b"}\n"


def main() -> int:
    """Write the file, or with `--check` report whether it is up to date."""
    content, document = generate(), derive.document()
    # pickled bytes depend on the identity of strings, so the documents are compared
    is_current = SCHEMA.exists() and compiled.decode(SCHEMA.read_bytes()) == document
    if "--check" in sys.argv:
        if CATALOG.read_bytes() == content and is_current:
            return 0
        print("The generated files are out of date: run `make catalog`", file=sys.stderr)
        return 1
    CATALOG.write_bytes(content)
    if not is_current:
        SCHEMA.write_bytes(compiled.encode(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
