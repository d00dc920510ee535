"""ION's GraphQL schema: one SDL file per domain, and the rules that derive the rest."""
