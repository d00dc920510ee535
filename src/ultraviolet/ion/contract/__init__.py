"""ION's GraphQL schema: one SDL file per domain, and the rules that derive the rest.

To add a resource:

1. Write its type with `@table(name: …)` and its root query in the SDL file of its domain, such as
   `purchasing.graphql`. Directives state what the schema does not (`directives.graphql`).
2. If ION sends events about it, add its name to `ResourceEnum` in `webhooks.graphql`.
3. Write its names, group and meaning in `labels.json`, and those of new fields.
4. Run `make catalog`, which generates `catalog.json` and `schema.bin`, and `make reference`.
"""
