"""Pages of the mirror: resources, the objects of one as a table, and one object as a record."""
