"""The hub: accounts, ingest, sync, integrations, health, alerts, and the running process."""
