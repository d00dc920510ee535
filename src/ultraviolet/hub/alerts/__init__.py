"""Alerts: notify people once when a problem needs them and once when it is fixed."""
