"""ION's GraphQL schema, one SDL file a domain, with the rules to derive the rest."""
