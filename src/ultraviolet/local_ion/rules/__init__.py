"""Business rules of ION."""
