"""Business rules of ION that apply to rows."""
