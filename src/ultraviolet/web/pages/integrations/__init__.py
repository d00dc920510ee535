"""Pages of integrations: the list, the form to add one, the tabs of one, and their actions."""

from ultraviolet.web.pages.integrations import changes, listing, sandbox, tabs

HANDLERS = [*listing.HANDLERS, *tabs.HANDLERS, *changes.HANDLERS, *sandbox.HANDLERS]
