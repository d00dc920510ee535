"""Writes the fidelity report as Markdown that can be shared."""

from collections.abc import Iterator

from ultraviolet import __version__
from ultraviolet.local_ion.sandbox.fidelity import FidelityReport, FieldComparison

CONTENTS = """This file contains names of ION's resources, fields and types; states (enum values of
ION's public schema, true, false, null); numbers of objects; and kinds of values, such as "number" or "text". It
contains no ids, names, texts, prices, quantities, times, addresses or credentials of a company."""


def summary(report: FidelityReport) -> str:
    """Return the result in one sentence."""
    different = sum(one.different > 0 for one in report.fields)
    schema = (
        f"{len(report.schema)} of {report.compared_types} types of the schema differ"
        if report.compared_types
        else "the hub has not read ION's schema yet"
    )
    return (
        f"{different} of {len(report.fields)} computed fields differ in some of {report.objects:,}"
        f" objects; {schema}."
    )


def as_markdown(report: FidelityReport) -> str:
    """Return the report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: FidelityReport) -> Iterator[str]:
    yield "# Fidelity report of the local ION"
    yield ""
    yield f"Ultraviolet {__version__}. {summary(report)}"
    yield ""
    yield "## Contents of this file"
    yield ""
    yield CONTENTS
    yield ""
    yield "## Computed fields that differ"
    yield ""
    if report.skipped:
        yield f"Not compared, because the hub had not confirmed them: {report.skipped:,} objects."
        yield ""
    different = [field for field in report.fields if field.different]
    for field in different:
        yield from _field_lines(field)
    if not different:
        yield "None."
        yield ""
    equal = [
        f"{one.resource}.{one.field}" for one in report.fields if one.objects and not one.different
    ]
    yield "## Computed fields that are equal"
    yield ""
    yield ", ".join(equal) + "." if equal else "None."
    yield ""
    yield "## Values that were not compared"
    yield ""
    yield (
        "Mirrors do not have the rows of these tables, so values that need them were not compared: "
        + ", ".join(report.not_mirrored)
        + "."
    )
    yield ""
    omitted = [
        f"{one.resource}.{one.field} ({one.omitted:,})"
        for one in sorted(report.fields, key=lambda one: (one.resource, one.field))
        if one.omitted
    ]
    yield f"In parentheses, the number of objects: {', '.join(omitted)}." if omitted else "None."
    yield ""
    yield "## Schema"
    yield ""
    if not report.compared_types:
        yield "The hub has not read ION's schema. Test the connection, and compare again."
    elif not report.schema:
        yield f"All {report.compared_types} compared types are equal to the contract."
    for one in report.schema:
        texts = [
            f"{title} {', '.join(f'`{name}`' for name in names)}"
            for title, names in (
                ("only in ION:", one.only_in_ion),
                ("only in the contract:", one.only_in_contract),
            )
            if names
        ]
        yield f"- `{one.type}`: {'; '.join(texts)}"


def _field_lines(field: FieldComparison) -> Iterator[str]:
    yield f"### {field.resource}.{field.field}"
    yield ""
    rule = "" if field.rule else " The local ION has no rule for it."
    yield f"{field.different:,} of {field.objects:,} objects differ.{rule}"
    yield ""
    yield "| ION | local ION | objects |"
    yield "| --- | --- | ---: |"
    for case in field.cases:
        yield f"| {case.ion} | {case.local_ion} | {case.objects:,} |"
    yield ""
    example = field.cases[0].example
    if example:
        shown = ", ".join(f"`{name}` {value}" for name, value in example.items())
        yield f"Example of the first row: {shown}."
        yield ""
