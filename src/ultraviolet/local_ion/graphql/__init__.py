"""GraphQL execution: queries compiled to SQL and resolvers."""
