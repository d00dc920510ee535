"""Pages: the documentation at `/docs`, and the reference of the API at `/api/docs`."""
