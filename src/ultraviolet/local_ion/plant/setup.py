"""Setup of the plant: master data first, then a history of workflows up to a size."""

from collections.abc import Callable
from typing import Any

from ultraviolet.errors import InvalidError
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.administration import create_administration
from ultraviolet.local_ion.plant.engineering import create_engineering_data, create_redline
from ultraviolet.local_ion.plant.logistics import create_logistics
from ultraviolet.local_ion.plant.workflows import (
    Plant,
    build,
    buy,
    receive,
    report_defect,
    rich_text,
    stock,
)

SIZES = {"small": 500, "medium": 5_000, "large": 50_000}
MAX_OBJECTS_OF_WORKFLOW = 20
"""More objects than one workflow creates, so that the plant has exactly the size."""
WORKFLOWS: tuple[tuple[Callable[[Plant], None], float], ...] = (
    (buy, 40),
    (receive, 24),
    (stock, 30),
    (build, 9),
    (report_defect, 14),
)


def parse_size(size: str) -> int:
    """Return the number of objects of a size; raise InvalidError."""
    if size in SIZES:
        return SIZES[size]
    if size.isdecimal():
        return int(size)
    names = ", ".join(SIZES)
    raise InvalidError(f"{size} is not a valid size. Use {names} or a number of objects.")


def set_up_plant(plant: Plant, objects: int, count: Callable[[], int]) -> None:
    """Create at least a number of objects; `count` returns their current number."""
    create_master_data(plant, objects)
    create_engineering_data(plant)
    create_logistics(plant)
    create_redline(plant)
    create_administration(plant)
    continue_history(plant, objects, count)


def continue_history(plant: Plant, objects: int, count: Callable[[], int]) -> None:
    """Run random workflows until there are enough objects, and the last ones one by one."""
    workflows, weights = zip(*WORKFLOWS, strict=True)
    while (missing := objects - count()) > 0:
        if missing > MAX_OBJECTS_OF_WORKFLOW:
            plant.random.choices(workflows, weights)[0](plant)
        else:
            stock(plant)


def create_master_data(plant: Plant, objects: int) -> None:
    """Create the master data that the workflows need."""
    define_attributes(plant)
    for resource in ("users", "currencies", "units_of_measurements"):
        plant.known[resource] = plant.client.list_ids(resource)
    for name in sample_data.LABELS:
        plant.create("labels", value=name)
    for name in sample_data.TEAMS:
        plant.create("teams", name=name, supervisorId=plant.any("users"))
    for title in sample_data.DISPOSITIONS:
        plant.client.create("issue_disposition_types", title=title, active=True)
    create_locations(plant, 2 + objects // 1_000)
    for number in range(max(8, objects // 250)):
        create_supplier(plant, number)
    for number in range(max(30, objects // 14)):
        create_part(plant, number)
    for number in range(max(2, objects // 400)):
        create_bill_of_materials(plant, number)
        create_procedure(plant, number)


def define_attributes(plant: Plant) -> None:
    """Define the custom attributes of the organization."""
    for noun, key, kind, options in (
        ("PurchaseOrder", "Priority", "SELECT", sample_data.PRIORITIES),
        ("PurchaseOrder", "Work order", "STRING", ()),
        ("PurchaseOrderLine", "Certificate", "STRING", ()),
        ("Part", "Drawing", "STRING", ()),
        ("Supplier", "Rating", "NUMBER", ()),
        ("Issue", "Severity", "SELECT", ("minor", "major", "critical")),
        ("Run", "Charge code", "STRING", ()),
        ("Location", "Cleanroom", "BOOLEAN", ()),
    ):
        organization = plant.client.execute("{ me { organization { id _etag } } }")["me"][
            "organization"
        ]
        values = {"id": organization["id"], "etag": organization["_etag"], "key": key, "type": kind}
        extra = {"options": list(options)} if options else {}
        plant.client.mutate(f"updateOrganization{noun}Attributes", **values, **extra)


def create_locations(plant: Plant, halls: int) -> None:
    """Create warehouses with racks, shelves and a work center."""
    for hall in range(1, halls + 1):
        warehouse = plant.create("locations", name=f"Hall {hall}", type="WAREHOUSE", available=True)
        plant.create(
            "locations",
            name=f"Hall {hall} assembly",
            type="WORKCENTER",
            parentId=warehouse,
            available=True,
        )
        for rack in "ABC":
            above = plant.create(
                "locations", name=f"H{hall}-{rack}", type="RACK", parentId=warehouse, available=True
            )
            for shelf in (1, 2, 3):
                plant.create(
                    "locations",
                    name=f"H{hall}-{rack}-{shelf}",
                    type="SHELF",
                    parentId=above,
                    available=True,
                )


def create_supplier(plant: Plant, number: int) -> None:
    """Create a supplier with a contact."""
    heads, tails = sample_data.SUPPLIER_HEADS, sample_data.SUPPLIER_TAILS
    head = heads[number % len(heads)]
    name = f"{head} {tails[(number * 7 + number // len(heads)) % len(tails)]}"
    if number >= len(heads) * len(tails):
        name += f" {number}"
    contact = plant.choose(*sample_data.PEOPLE)
    plant.create(
        "suppliers",
        name=name,
        address=f"{plant.random.randint(1, 220)} {plant.choose(*sample_data.STREETS)}",
        contactName=contact,
        email=f"{contact.split()[0].lower()}@{head.lower().replace(' ', '')}.example",
        phoneNumber=f"+1 555 01{plant.random.randint(10, 99)}",
        attributes=[{"key": "Rating", "value": plant.random.randint(1, 5)}],
    )


def create_part(plant: Plant, number: int) -> None:
    """Create a part; every twelfth one has a second revision."""
    code, noun, kinds, price = plant.random.choice(sample_data.FAMILIES)
    bulk = code in {"FST", "SEL", "TUB"}
    created = plant.create(
        "parts",
        partNumber=f"{code}-{10_000 + number}",
        description=f"{noun}, {plant.choose(*kinds)}",
        trackingType=plant.choose("LOT", "LOT", None)
        if bulk
        else plant.choose("SERIAL", "LOT", None),
        cost=round(price * plant.random.uniform(0.6, 1.8), 2),
        leadTime=plant.random.randint(5, 140),
        unitOfMeasureId=plant.known["units_of_measurements"][0],
        sourcingStrategy="BUY" if bulk else plant.choose("BUY", "MAKE", "DUAL_SOURCE"),
        partType="PART",
    )
    if number % 12 == 11:  # noqa: PLR2004
        etag = plant.client.get("parts", created, "_etag")["_etag"]
        revised = plant.client.mutate(
            "createPartRevision", id=created, etag=etag, description=f"{noun}, revised"
        )
        plant.known["parts"].append(revised["id"])


def create_bill_of_materials(plant: Plant, number: int) -> None:
    """Create an assembly with its mBOM."""
    name = sample_data.ASSEMBLIES[number % len(sample_data.ASSEMBLIES)]
    assembly = plant.create(
        "parts",
        partNumber=f"ASM-{20_000 + number}",
        description=name,
        trackingType="SERIAL",
        sourcingStrategy="MAKE",
    )
    mbom = plant.create("mboms", partId=assembly)
    for child in plant.random.sample(plant.known["parts"][:-1], 5):
        if child != assembly:
            plant.client.create(
                "mbom_item", mbomId=mbom, partId=child, quantity=float(plant.choose(1, 1, 2, 4, 8))
            )


def create_procedure(plant: Plant, number: int) -> None:
    """Create a procedure with ordered steps, each with a field."""
    name = sample_data.ASSEMBLIES[number % len(sample_data.ASSEMBLIES)]
    created = plant.create("procedures", title=f"Build {name.lower()} {number + 1}", type="BUILD")
    first = plant.random.randint(0, 3)
    previous: int | None = None
    for position, (title, kind, field, unit) in enumerate(
        sample_data.STEPS[first : first + 5], start=1
    ):
        step = plant.client.create(
            "steps",
            procedureId=created,
            title=title,
            position=position,
            slateContent=rich_text(f"{title}, see drawing."),
        )
        extra: dict[str, Any] = {"unit": unit} if unit else {}
        if field in sample_data.OPTIONS:
            extra["options"] = list(sample_data.OPTIONS[field])
        plant.client.create(
            "steps_fields", stepId=step, name=field, type=kind, required=True, **extra
        )
        if previous is not None:
            plant.client.mutate("createStepEdge", stepId=step, upstreamStepId=previous)
        previous = step
