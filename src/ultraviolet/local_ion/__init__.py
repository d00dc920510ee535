"""An ION anyone can run: its GraphQL API, sign-in, webhooks and quirks over one SQLite file."""
