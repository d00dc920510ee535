"""GraphQL queries: resolvers and their compilation to SQL."""
