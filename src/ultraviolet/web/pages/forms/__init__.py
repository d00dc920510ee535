"""Rejected forms: their page again, with the error at its field and the entered values."""
