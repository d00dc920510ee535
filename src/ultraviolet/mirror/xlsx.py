"""Write rows as an Excel workbook (Office Open XML) with one sheet, row by row.

The workbook is a stream, so that a download begins at once and memory stays bounded. Libraries that
write workbooks return the file only when it is complete.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from ultraviolet.db.representation import spreadsheet_text
from ultraviolet.errors import InvalidError
from ultraviolet.mirror.byte_sink import ByteSink

MAX_ROWS = 1_048_575
"""Rows of a sheet without its head; Excel opens no more."""
MAX_CELLS = 20_000_000
"""Keeps the sheet below 2 GiB, so that the file needs no 64-bit extension of ZIP."""
MAX_TEXT_CHARACTERS = 32_767
"""Characters of a cell in Excel; the rest of a longer text is left out."""
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_FIRST_DAY = "1900-03-01"
"""Excel numbers earlier days differently, because it takes 1900 for a leap year."""
_SECONDS_PER_DAY = 86_400
_HEAD, _DATE, _TIME = 1, 2, 3
"""Indexes of the cell formats in _STYLES."""
_EXACT = re.compile(r"-?(?:0|[1-9]\d{0,14})", re.ASCII)
"""Whole numbers that Excel keeps exactly, and that lose no zeros."""
_BOOLEANS = ("true", "false")
_NOT_XML = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\r]|_(?=x[0-9A-Fa-f]{4})"
)
_WIDTHS = {"id": 12, "integer": 12, "real": 14, "boolean": 10, "time": 20, "text": 28, "json": 32}

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_PART = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_PART}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_PART}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_PART}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>'
    '<sheet name="Objects" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": _STYLES,
}


class Xlsx:
    """Writes a workbook and returns its bytes as they are known."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        """Begin a workbook with a head of the names of the columns."""
        self._kinds = [kind for _, kind in columns]
        self._letters = [_letters(index) for index in range(len(columns))]
        self._sink = ByteSink()
        self._zip = ZipFile(self._sink, "w", ZIP_DEFLATED)
        for name, content in _PARTS.items():
            self._zip.writestr(name, _XML + content)
        self._sheet = self._zip.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        widths = "".join(
            f'<col min="{at}" max="{at}" width="{_WIDTHS[kind]}" customWidth="1"/>'
            for at, kind in enumerate(self._kinds, 1)
        )
        head = "".join(
            _text_cell(f"{letters}1", name, _HEAD)
            for letters, (name, _) in zip(self._letters, columns, strict=True)
        )
        self._sheet.write(
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            f'</sheetView></sheetViews><cols>{widths}</cols><sheetData><row r="1">{head}</row>'.encode()
        )
        self._row = 1

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of these rows."""
        lines: list[str] = []
        for row in rows:
            self._row += 1
            cells = "".join(
                _cell(f"{letters}{self._row}", kind, value)
                for letters, kind, value in zip(self._letters, self._kinds, row, strict=True)
                if value is not None
            )
            lines.append(f'<row r="{self._row}">{cells}</row>')
        self._sheet.write("".join(lines).encode())
        return self._sink.take_written()

    def end(self) -> bytes:
        """Return the end of the workbook."""
        area = f"A1:{self._letters[-1]}{self._row}"
        self._sheet.write(f'</sheetData><autoFilter ref="{area}"/></worksheet>'.encode())
        self._sheet.close()
        self._zip.close()
        return self._sink.take_written()


def check_size(rows: int, columns: int) -> None:
    """Raise InvalidError if a list does not fit a workbook."""
    if rows > MAX_ROWS or rows * columns > MAX_CELLS:
        raise InvalidError(
            f"The list has {rows:,} rows and {columns} columns. A sheet of Excel has at most"
            f" {MAX_ROWS:,} rows, and an export at most {MAX_CELLS:,} cells. Add a filter, or export"
            " CSV or Parquet.",
            field="format",
        )


def _cell(place: str, kind: str, value: Any) -> str:
    """Return the cell of a value; what Excel cannot calculate with exactly becomes text."""
    match kind:
        case "boolean":
            return f'<c r="{place}" t="b"><v>{int(bool(value))}</v></c>'
        case "integer" | "id":
            if _EXACT.fullmatch(str(value)):
                return f'<c r="{place}"><v>{value}</v></c>'
        case "real":
            if math.isfinite(value):
                return f'<c r="{place}"><v>{value!r}</v></c>'
        case "time":
            if value >= _FIRST_DAY:
                elapsed = datetime.fromisoformat(value) - _EPOCH
                fraction = elapsed.seconds / _SECONDS_PER_DAY + elapsed.microseconds / 8.64e10
                style = _TIME if fraction else _DATE
                return f'<c r="{place}" s="{style}"><v>{elapsed.days + fraction!r}</v></c>'
        case "text" if value in _BOOLEANS:  # as ION has some of them
            return _cell(place, "boolean", value == "true")
        case _:
            pass
    return _text_cell(place, spreadsheet_text(kind, value) or "")


def _text_cell(place: str, text: str, style: int = 0) -> str:
    """Return a cell with text, which is never a formula."""
    if 2 * len(text) > MAX_TEXT_CHARACTERS:  # Excel counts the characters of UTF-16
        units = text.encode("utf-16-le", "surrogatepass")[: 2 * MAX_TEXT_CHARACTERS]
        text = units.decode("utf-16-le", "ignore")
    # A character that XML cannot contain, in the notation of Excel.
    shown = escape(_NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text))
    kind = f' s="{style}"' if style else ""
    return f'<c r="{place}"{kind} t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'


def _letters(index: int) -> str:
    """Return the letters of a column: A, B, …, Z, AA."""
    letters = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        letters = chr(ord("A") + rest) + letters
        index -= 1
    return letters
