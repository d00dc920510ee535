"""Write the error and the entered values of a rejected form into the HTML of its page."""

from collections.abc import Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Literal

import msgspec

ERROR_ID = "form-error"
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_UNCHANGED_TYPES = ("hidden", "password", "submit", "button", "file")
_CHOICE_TYPES = ("checkbox", "radio")
_EXACT_TYPES = ("date", "datetime-local", "number")
"""Types whose fields are empty if their value has another format."""
_ASK_AGAIN = "Enter it again. Secrets are not kept."
Attributes = dict[str, str | None]
Place = Literal["form", "page"]


class RejectedForm(msgspec.Struct, frozen=True):
    """A form that was rejected: its action, its values, and its errors.

    With the method `get`, it is an address, which has only its invalid values here.
    """

    action: str
    values: Mapping[str, Sequence[str]]
    errors: Mapping[str, str]
    """Messages by the name of the invalid field, which is empty for an error of the whole form."""
    method: Literal["get", "post"] = "post"


class _Form(msgspec.Struct):
    """A form of the page, with the ordinals of its start tag and of the parts that hide errors."""

    ordinal: int
    hidden: dict[str, str]
    fields: set[str]
    folded: list[int]
    """Closed details around the form or its invalid fields."""
    popovers: list[int]


def with_errors(html: str, rejected: RejectedForm) -> str:
    """Return a page with the error of a rejected form, its values, and the focus on the error.

    An error without a visible field is shown at the top of the form. A form that the page no longer
    has, or that consists of a button, has its error at the top of the page, as has an address.
    """
    outline = _Outline(rejected)
    outline.feed(html)
    if rejected.method == "get":
        form = next((one for one in outline.forms if one.fields & rejected.errors.keys()), None)
    else:
        submitted = (  # the form with the submitted hidden values, or else the first one
            one
            for one in outline.forms
            if all(value in rejected.values.get(name, ()) for name, value in one.hidden.items())
        )
        form = next(submitted, outline.forms[0] if outline.forms else None)
    writer = _Writer(rejected, form)
    writer.feed(html)
    writer.close()
    return "".join(writer.parts)


class _Outline(HTMLParser):
    """Finds the forms of a page with the action and method of the rejected one."""

    def __init__(self, rejected: RejectedForm) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._rejected = rejected
        self._ordinal = 0
        self._open: list[tuple[str, int, Attributes]] = []
        self._form: _Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form or a field."""
        self._ordinal += 1
        given = dict(attrs)
        if tag not in _VOID:
            self._open.append((tag, self._ordinal, given))
        if tag == "form":
            self._form = None
            wanted = self._rejected
            # A form without an action submits to the address of its page.
            here = wanted.action if wanted.method == "get" else ""
            if (given.get("method", "get"), given.get("action", here)) == (
                wanted.method,
                wanted.action,
            ):
                popovers = [n for _, n, found in self._open if "popover" in found]
                self._form = _Form(self._ordinal, {}, set(), self._details(), popovers)
                self.forms.append(self._form)
        elif self._form and (name := given.get("name")):
            if given.get("type") != "hidden":
                if tag != "button" and given.get("type") not in _CHOICE_TYPES:
                    self._form.fields.add(name)
                if name in self._rejected.errors:
                    self._form.folded += self._details()
            elif name not in ("csrf", "page"):
                self._form.hidden[name] = given.get("value") or ""

    def _details(self) -> list[int]:
        return [ordinal for name, ordinal, _ in self._open if name == "details"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Count a tag that closes itself."""
        self._ordinal += 1

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag == "form":
            self._form = None
        if any(tag == name for name, _, _ in self._open):
            while self._open.pop()[0] != tag:
                pass


class _Writer(HTMLParser):
    """Copies a page and changes the rejected form."""

    def __init__(self, rejected: RejectedForm, form: _Form | None) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._rejected = rejected
        self._form = form
        self._ordinal = 0
        self._inside = False
        self._select = ""
        self._textarea = ""
        fields = form.fields if form else set[str]()
        self._messages = {name: text for name, text in rejected.errors.items() if name in fields}
        """The errors that are shown at their fields."""
        others = [text for name, text in rejected.errors.items() if name not in fields]
        self._note = _note(others) if others else ""
        is_in_form = form and rejected.method == "post" and (form.fields or form.folded)
        self._place: Place = "form" if is_in_form else "page"
        self._folded = set(form.folded if form else ())
        self._popovers = set(form.popovers if form else ())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Copy a start tag with its changes."""
        self._ordinal += 1
        given = dict(attrs)
        if tag == "title":
            self.parts.append("<title>Error: ")
            return
        before = dict(given)
        given.pop("autofocus", None)
        if self._ordinal in self._folded:
            given["open"] = None
        if self._ordinal in self._popovers:
            given["data-open"] = None
        if tag == "body" and self._rejected.method == "post":
            given["data-rejected"] = None
        if self._form and self._ordinal == self._form.ordinal:
            self._inside = True
        after = self._change(tag, given) if self._inside else ""
        text = self.get_starttag_text() or ""
        if given != before:
            written = (
                f" {name}" if value is None else f' {name}="{escape(value)}"'
                for name, value in given.items()
            )
            text = f"<{tag}{''.join(written)}>"
        self.parts.append(text)
        self.parts.append(after)
        if tag == "main" and self._place == "page":
            self.parts.append(self._note)
        elif tag == "main" and self._popovers:
            # A form in a popover has its own; this one is for browsers that do not run scripts.
            messages = list(self._rejected.errors.values())
            self.parts.append(f"<noscript>{_note(messages, focus=False)}</noscript>")
        elif tag == "form" and self._inside and self._place == "form":
            self.parts.append(self._note)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Copy a tag that closes itself."""
        self._ordinal += 1
        self.parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        """Copy an end tag, after a text field with its value and before the error of a list."""
        if tag == "textarea" and self._textarea:
            values = self._rejected.values.get(self._textarea, ("",))
            self.parts.append(escape(values[0], quote=False))
        self.parts.append(f"</{tag}>")
        ended = {"select": self._select, "textarea": self._textarea}.get(tag)
        if ended and self._inside:
            self.parts.append(self._error(ended))
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "form":
            self._inside = False

    def handle_data(self, data: str) -> None:
        """Copy text, except the former value of a text field."""
        if not self._textarea:
            self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        """Copy a named character."""
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Copy a numbered character."""
        self.handle_data(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        """Copy the document type."""
        self.parts.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        """Copy a comment."""
        self.parts.append(f"<!--{data}-->")

    def _change(self, tag: str, given: Attributes) -> str:
        """Set the value and the error of a field; return what follows its tag."""
        name = given.get("name") or ""
        is_field = tag in ("input", "select", "textarea") and given.get("type") != "hidden"
        is_address = self._rejected.method == "get"
        invalid = is_field and name in self._messages
        values = self._rejected.values.get(name)
        if invalid:
            self._mark(name, given)
        if tag == "select":
            self._select = name
            if invalid and is_address and values:
                return f'<option value="{escape(values[0])}" selected>{escape(values[0])}</option>'
        elif tag == "textarea":
            self._textarea = name if values else ""
        elif tag == "option" and self._select in self._rejected.values:
            chosen = (given.get("value") or "") in self._rejected.values[self._select]
            _set_flag(given, "selected", on=chosen)
        elif tag == "input" and given.get("type") in _CHOICE_TYPES and not is_address:
            _set_flag(given, "checked", on=(given.get("value") or "on") in (values or ()))
        elif tag == "input" and values and given.get("type") not in _UNCHANGED_TYPES:
            given["value"] = values[0]
        if tag != "input" or not is_field:
            return ""
        if invalid:
            return self._error(name)
        again = given.get("type") == "password" and values and values[0]
        return f'<span class="hint">{_ASK_AGAIN}</span>' if again else ""

    def _mark(self, name: str, given: Attributes) -> None:
        """Mark a field as invalid, and let it show any value."""
        given |= {"aria-invalid": "true", "aria-describedby": self._id(name)}
        if self._is_first(name):
            given["autofocus"] = None
        if self._rejected.method == "get" and given.get("type") in _EXACT_TYPES:
            if given["type"] == "datetime-local":
                given["data-time"] = None  # a script still reads it in the zone of the viewer
            given["type"] = "text"

    def _is_first(self, name: str) -> bool:
        return name == next(iter(self._messages)) and not self._note

    def _id(self, name: str) -> str:
        return ERROR_ID if self._is_first(name) else f"{ERROR_ID}-{name}"

    def _error(self, name: str) -> str:
        """Return the error of a field, if it has one."""
        if name not in self._messages:
            return ""
        message = escape(self._messages[name], quote=False)
        return f'<span class="field-error" id="{self._id(name)}">{message}</span>'


def _set_flag(given: Attributes, name: str, *, on: bool) -> None:
    given.pop(name, None)
    if on:
        given[name] = None


def _note(messages: Sequence[str], *, focus: bool = True) -> str:
    """Return errors that no field has."""
    focused = f' id="{ERROR_ID}" tabindex="-1" autofocus' if focus else ""
    text = "".join(f"<p>{escape(message, quote=False)}</p>" for message in messages)
    return f'<div class="note bad" role="alert"{focused}>{text}</div>'
