"""The documentation of each page of the hub."""

from ultraviolet.web.pages.documentation.documents import ADDRESS, address_of

_PAGES = {
    "/": ("pages", "overview"),
    "/about": ("pages", "settings"),
    "/account": ("pages", "account"),
    "/api/docs": ("api", ""),
    "/docs": ("index", ""),
    "/drift": ("pages", "syncs-corrections-verify"),
    "/events": ("pages", "events"),
    "/fetches": ("pages", "syncs-corrections-verify"),
    "/freshness": ("operations", "freshness"),
    "/integrations": ("pages", "integrations"),
    "/integrations/{}/freshness": ("operations", "freshness"),
    "/integrations/{}/sandbox": ("local-ion", "a-sandbox-from-your-own-data"),
    "/integrations/{}/set-up": ("setup", "4-set-up-webhooks-in-ion"),
    "/objects": ("pages", "objects"),
    "/objects/{}/columns": ("how-to/lists-and-filters", "columns"),
    "/objects/{}/filter": ("how-to/lists-and-filters", "add-a-filter"),
    "/search": ("pages", "search"),
    "/settings": ("pages", "settings"),
    "/settings/alerts": ("operations", "alerts"),
    "/settings/retention": ("pages", "settings"),
    "/sign-in": ("access", "sign-in"),
    "/sign-in/provider": ("access", "single-sign-on"),
    "/verifications": ("pages", "syncs-corrections-verify"),
    "/webhooks": ("pages", "webhooks-and-the-setup-guide"),
}
"""Documents and anchors by the start of a page's path; `{}` is any segment."""


def documentation_of(page: str) -> str:
    """Return the path of the documentation of a page, by the page's path or its template."""
    segments = page.strip("/").split("/")
    for length in range(len(segments), 0, -1):
        start = segments[:length]
        for path, (name, anchor) in _PAGES.items():
            known = path.strip("/").split("/")
            if len(known) == length and all(
                one in ("{}", segment) for one, segment in zip(known, start, strict=True)
            ):
                return address_of(name, anchor)
    return ADDRESS
