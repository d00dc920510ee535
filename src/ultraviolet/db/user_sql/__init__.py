"""SQL statements of users on the database of a hub, read-only: in this process, or in a child."""
