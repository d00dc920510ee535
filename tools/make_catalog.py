"""Write the generated catalog of resources from the contract: `make catalog`; `--check` only compares."""

import sys
from pathlib import Path

import msgspec

from ultraviolet.ion.contract.parse import parse_contract

CATALOG = Path(__file__).parent.parent / "src/ultraviolet/ion/contract/catalog.json"


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
    content = generate()
    if "--check" in sys.argv:
        if CATALOG.read_bytes() == content:
            return 0
        print(f"{CATALOG.name} is out of date: run `make catalog`", file=sys.stderr)
        return 1
    CATALOG.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
