"""Sample data of a company that makes small rocket engines."""

TEAMS = ("Purchasing", "Receiving", "Assembly", "Test", "Quality", "Tooling")
PEOPLE = (
    "Ada Okafor", "Ben Laurent", "Carmen Ruiz", "Dmitri Volkov", "Elif Kaya", "Farid Rahimi", "Grace Lindholm",
    "Hiro Tanaka", "Ines Duarte", "Jonas Weber", "Kavya Nair", "Liam Byrne", "Mei Chen", "Noor Haddad", "Oskar Nyberg",
    "Priya Raman", "Quentin Moreau", "Rosa Jimenez", "Samir Patel", "Tove Dahl",
)  # fmt: skip
SIMULATOR = ("Plant Simulator", "plant.simulator@ultraviolet.example")
"""Name and address of the user that makes the continuous changes, so that no person seems to."""
SUPPLIER_HEADS = (
    "Aldermoor", "Brightwater", "Cascade", "Drumlin", "Eastgate", "Fenwick", "Granite Bay", "Halden", "Ironbridge",
    "Juniper", "Kestner", "Lakeshore", "Marlow", "Northfield", "Orchard", "Pinecrest", "Quarry Hill", "Redstone",
    "Silverton", "Thornbury", "Umber", "Vantage", "Westmark", "Yarrow",
)  # fmt: skip
SUPPLIER_TAILS = (
    "Precision", "Fluid Controls", "Fasteners", "Castings", "Composites", "Electronics", "Forge", "Machining",
    "Metals", "Seals", "Sensors", "Tooling",
)  # fmt: skip
STREETS = (
    "Foundry Road",
    "Harbor Street",
    "Mill Lane",
    "Airfield Way",
    "Canal Street",
    "Industrial Parkway",
)
FAMILIES: tuple[tuple[str, str, tuple[str, ...], float], ...] = (
    ("VLV", "Valve", ("solenoid", "check", "ball", "relief", "isolation"), 180.0),
    ("SEN", "Sensor", ("pressure", "temperature", "flow", "accelerometer"), 95.0),
    ("INJ", "Injector element", ("pintle", "coaxial", "impinging"), 420.0),
    ("NOZ", "Nozzle segment", ("throat", "extension", "bell"), 1900.0),
    (
        "FST",
        "Fastener",
        ("hex bolt M4", "hex bolt M6", "socket screw M5", "lock nut M6", "washer M6"),
        0.4,
    ),
    ("SEL", "Seal", ("O-ring", "face seal", "spring-energized", "gasket"), 6.5),
    ("TUB", "Tube", ("stainless 1/4 in", "stainless 3/8 in", "flex hose"), 28.0),
    ("HRN", "Harness", ("main", "igniter", "telemetry"), 310.0),
    ("PCB", "Circuit board", ("valve driver", "engine controller", "sensor interface"), 240.0),
    ("BRK", "Bracket", ("gimbal", "tank", "avionics", "line support"), 34.0),
    ("TNK", "Tank", ("oxidizer", "fuel", "helium"), 8600.0),
    ("TRB", "Turbopump part", ("impeller", "shaft", "inducer", "housing"), 2750.0),
    ("IGN", "Igniter", ("torch", "spark"), 640.0),
    ("FLT", "Filter", ("10 micron", "25 micron"), 72.0),
)
ASSEMBLIES = (
    "Engine",
    "Turbopump",
    "Valve pack",
    "Feed line",
    "Avionics box",
    "Thrust chamber",
    "Igniter module",
)
STEPS = (
    ("Kit the parts", "BOOLEAN", "All parts in the kit", None),
    ("Clean and inspect", "SELECT", "Cleanliness level", None),
    ("Install the seals", "BOOLEAN", "Seals lubricated", None),
    ("Torque the fasteners", "NUMBER", "Torque", "N·m"),
    ("Route the harness", "STRING", "Harness serial number", None),
    ("Proof test", "NUMBER", "Proof pressure", "bar"),
    ("Leak check", "NUMBER", "Leak rate", "scc/s"),
    ("Weigh the assembly", "NUMBER", "Mass", "kg"),
    ("Final inspection", "SELECT", "Result", None),
)
OPTIONS = {
    "Cleanliness level": ("100A", "200A", "300A"),
    "Result": ("accept", "accept as is", "rework"),
}
DEFECTS = (
    "Thread damaged on port", "Seal nicked during installation", "Surface finish out of tolerance",
    "Leak rate above limit", "Wrong revision received", "Connector pin bent", "Weld porosity found by X-ray",
    "Torque value not recorded", "Foreign object in tube", "Missing certificate of conformity",
)  # fmt: skip
REMARKS = (
    "Supplier confirms shipment for next week.", "Please check the certificate before this goes to stock.",
    "Measured twice, same result.", "Moved to the quarantine shelf.", "Ready for review.",
    "Agreed with engineering by phone.", "Waiting for the drawing change.", "Photos are on the share.",
)  # fmt: skip
LABELS = (
    "flight",
    "development",
    "long lead",
    "hazardous",
    "ITAR",
    "expedite",
    "second source",
    "qualification",
)
FEES = (("Freight", 85.0), ("Expedite fee", 250.0), ("Certification", 120.0), ("Handling", 40.0))
PRIORITIES = ("low", "normal", "high", "line down")
DISPOSITIONS = ("Use as is", "Rework", "Return to supplier", "Scrap")
ORDER_PURPOSES = (
    "stock",
    "engine 7 build",
    "engine 8 build",
    "test stand spares",
    "qualification unit",
    "tooling",
)
