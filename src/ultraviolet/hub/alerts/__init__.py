"""Alerts: what needs a person is told to people, once when it begins and once when it is over."""
