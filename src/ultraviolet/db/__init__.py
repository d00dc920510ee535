"""The database: engines, tables, migrations, locks, bulk statements."""
