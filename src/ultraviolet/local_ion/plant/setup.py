"""Sets up the plant: first what a company has before its first order, then its history, up to a size."""

from collections.abc import Callable
from typing import Any

from ultraviolet.errors import InvalidError
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.workflows import Plant, build, buy, find_defect, receive, slate, stock

SIZES = {"small": 500, "medium": 5_000, "large": 50_000}
STORIES: tuple[tuple[Callable[[Plant], None], float], ...] = (
    (buy, 40),
    (receive, 24),
    (stock, 30),
    (build, 9),
    (find_defect, 14),
)


def objects_of(size: str) -> int:
    """Turn a size into a number of objects; raises InvalidError for what is none."""
    if size in SIZES:
        return SIZES[size]
    if size.isdecimal():
        return int(size)
    msg = f"{size} is no size: use {', '.join(SIZES)} or a number of objects"
    raise InvalidError(msg)


def set_up(plant: Plant, objects: int, count: Callable[[], int]) -> None:
    """Fill an empty ION with so many objects, or a few more; `count` tells how many there are."""
    lay_ground(plant, objects)
    go_on(plant, objects, count)


def go_on(plant: Plant, objects: int, count: Callable[[], int]) -> None:
    """Let things happen until there are so many objects."""
    stories, weights = [s for s, _ in STORIES], [w for _, w in STORIES]
    while count() < objects:
        plant.random.choices(stories, weights)[0](plant)


def lay_ground(plant: Plant, objects: int) -> None:
    """Make what every story needs; a larger company has more of it."""
    attribute_settings(plant)
    for resource in ("users", "currencies", "units_of_measurements"):
        plant.known[resource] = plant.hands.ids(resource)
    for name in sample_data.LABELS:
        plant.make("labels", value=name)
    for name in sample_data.TEAMS:
        plant.make("teams", name=name, supervisorId=plant.any("users"))
    for title in sample_data.DISPOSITIONS:
        plant.hands.create("issue_disposition_types", title=title, active=True)
    locations(plant, 2 + objects // 1_000)
    for number in range(max(8, objects // 250)):
        supplier(plant, number)
    for number in range(max(30, objects // 14)):
        part(plant, number)
    for number in range(max(2, objects // 400)):
        bill_of_materials(plant, number)
        procedure(plant, number)


def attribute_settings(plant: Plant) -> None:
    """Tell the organization which custom attributes its objects have."""
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
        organization = plant.hands.ask("{ me { organization { id _etag } } }")["me"]["organization"]
        values = {"id": organization["id"], "etag": organization["_etag"], "key": key, "type": kind}
        extra = {"options": list(options)} if options else {}
        plant.hands.mutate(f"updateOrganization{noun}Attributes", **values, **extra)


def locations(plant: Plant, halls: int) -> None:
    """Make warehouses with racks and shelves, and a work center for each."""
    for hall in range(1, halls + 1):
        warehouse = plant.make("locations", name=f"Hall {hall}", type="WAREHOUSE", available=True)
        plant.make(
            "locations", name=f"Hall {hall} assembly", type="WORKCENTER", parentId=warehouse, available=True
        )
        for rack in "ABC":
            above = plant.make(
                "locations", name=f"H{hall}-{rack}", type="RACK", parentId=warehouse, available=True
            )
            for shelf in (1, 2, 3):
                plant.make(
                    "locations", name=f"H{hall}-{rack}-{shelf}", type="SHELF", parentId=above, available=True
                )


def supplier(plant: Plant, number: int) -> None:
    """Make a supplier with somebody to call."""
    heads, tails = sample_data.SUPPLIER_HEADS, sample_data.SUPPLIER_TAILS
    head = heads[number % len(heads)]
    name = f"{head} {tails[(number * 7 + number // len(heads)) % len(tails)]}"
    if number >= len(heads) * len(tails):
        name += f" {number}"
    contact = plant.choose(*sample_data.PEOPLE)
    plant.make(
        "suppliers",
        name=name,
        address=f"{plant.random.randint(1, 220)} {plant.choose(*sample_data.STREETS)}",
        contactName=contact,
        email=f"{contact.split()[0].lower()}@{head.lower().replace(' ', '')}.example",
        phoneNumber=f"+1 555 01{plant.random.randint(10, 99)}",
        attributes=[{"key": "Rating", "value": plant.random.randint(1, 5)}],
    )


def part(plant: Plant, number: int) -> None:
    """Make a part of some family; every twelfth one has a second revision."""
    code, noun, kinds, price = plant.random.choice(sample_data.FAMILIES)
    bulk = code in {"FST", "SEL", "TUB"}
    made = plant.make(
        "parts",
        partNumber=f"{code}-{10_000 + number}",
        description=f"{noun}, {plant.choose(*kinds)}",
        trackingType=plant.choose("LOT", "LOT", None) if bulk else plant.choose("SERIAL", "LOT", None),
        cost=round(price * plant.random.uniform(0.6, 1.8), 2),
        leadTime=plant.random.randint(5, 140),
        unitOfMeasureId=plant.known["units_of_measurements"][0],
        sourcingStrategy="BUY" if bulk else plant.choose("BUY", "MAKE", "DUAL_SOURCE"),
        partType="PART",
    )
    if number % 12 == 11:  # noqa: PLR2004
        etag = plant.hands.look("parts", made, "_etag")["_etag"]
        revised = plant.hands.mutate("createPartRevision", id=made, etag=etag, description=f"{noun}, revised")
        plant.known["parts"].append(revised["id"])


def bill_of_materials(plant: Plant, number: int) -> None:
    """Make an assembly with the parts it is made of."""
    name = sample_data.ASSEMBLIES[number % len(sample_data.ASSEMBLIES)]
    assembly = plant.make(
        "parts",
        partNumber=f"ASM-{20_000 + number}",
        description=name,
        trackingType="SERIAL",
        sourcingStrategy="MAKE",
    )
    mbom = plant.make("mboms", partId=assembly)
    for child in plant.random.sample(plant.known["parts"][:-1], 5):
        if child != assembly:
            plant.hands.create(
                "mbom_item", mbomId=mbom, partId=child, quantity=float(plant.choose(1, 1, 2, 4, 8))
            )


def procedure(plant: Plant, number: int) -> None:
    """Write a procedure: steps in order, each with what is to be measured."""
    name = sample_data.ASSEMBLIES[number % len(sample_data.ASSEMBLIES)]
    made = plant.make("procedures", title=f"Build {name.lower()} {number + 1}", type="BUILD")
    first = plant.random.randint(0, 3)
    previous: int | None = None
    for position, (title, kind, field, unit) in enumerate(sample_data.STEPS[first : first + 5], start=1):
        step = plant.hands.create(
            "steps",
            procedureId=made,
            title=title,
            position=position,
            slateContent=slate(f"{title}, see drawing."),
        )
        extra: dict[str, Any] = {"unit": unit} if unit else {}
        if field in sample_data.OPTIONS:
            extra["options"] = list(sample_data.OPTIONS[field])
        plant.hands.create("steps_fields", stepId=step, name=field, type=kind, required=True, **extra)
        if previous is not None:
            plant.hands.mutate("createStepEdge", stepId=step, upstreamStepId=previous)
        previous = step
