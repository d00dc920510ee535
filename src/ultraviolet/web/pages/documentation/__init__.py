"""Pages: the documentation at `/docs`, and the reference of the API at `/api/docs`."""

from ultraviolet.web.pages.documentation import api_reference, routes

HANDLERS = [*routes.HANDLERS, *api_reference.HANDLERS]
