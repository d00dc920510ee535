"""Integrations: settings, connection test, resources, webhook setup, deletion."""
