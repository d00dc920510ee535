"""Accounts: users, API keys, sessions, single sign-on, saved views."""
