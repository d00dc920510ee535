"""The SQLite store: tables, transactions, audit log and file contents."""
