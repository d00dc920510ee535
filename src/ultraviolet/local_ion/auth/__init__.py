"""API keys, tokens, permissions and viewers."""
