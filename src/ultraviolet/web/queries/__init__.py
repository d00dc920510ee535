"""What the API and the pages show alike, read from the tables in one place."""
