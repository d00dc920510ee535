// The cookie of this page signs the caller in as the plant's administrator; nothing is fetched from elsewhere.
"use strict";

const fetcher = GraphiQL.createFetcher({
  url: "/graphql",
  fetch: (url, options) => window.fetch(url, { ...options, credentials: "same-origin" }),
});

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
    defaultQuery: "# Ask the local ION. Ctrl-Enter runs, Ctrl-Space completes.\n{ me { id name email organization { id domain } } }\n",
  }),
);
