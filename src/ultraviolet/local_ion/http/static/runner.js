// The cookie of this page signs the caller in as the plant's administrator; nothing is fetched from elsewhere.
"use strict";

const fetcher = GraphiQL.createFetcher({
  url: "/graphql",
  fetch: (url, options) => window.fetch(url, { ...options, credentials: "same-origin" }),
});

// Another page may open this one with a text filled in; it is run only when someone says so.
const given = new URLSearchParams(window.location.search);

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
    query: given.get("query") ?? undefined,
    variables: given.get("variables") ?? undefined,
    defaultQuery: "# Ask the local ION. Ctrl-Enter runs, Ctrl-Space completes.\n{ me { id name email organization { id domain } } }\n",
  }),
);
