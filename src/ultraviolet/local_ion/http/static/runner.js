// The cookie of this page signs the caller in as the plant's administrator; nothing is fetched from elsewhere.
"use strict";

const MAX_CHARACTERS = 200_000;
const fetcher = GraphiQL.createFetcher({
  url: "/graphql",
  fetch: (url, options) => window.fetch(url, { ...options, credentials: "same-origin" }),
});
const examples = JSON.parse(document.getElementById("examples").textContent);
const h = React.createElement;

function notify(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = false;
}

// An address may fill in a text or name an example; it is run only when the user says so.
function givenOperation() {
  const given = new URLSearchParams(window.location.hash.slice(1) || window.location.search);
  const name = given.get("example");
  if (name) {
    const example = examples.find((each) => each.name === name);
    if (example) return operation(example);
    notify("The query runner has no example with this name.");
    return {};
  }
  const [query, variables] = [given.get("query") ?? "", given.get("variables") ?? ""];
  if (query.length > MAX_CHARACTERS || variables.length > MAX_CHARACTERS) {
    notify("The query or the variables in the address are too long and were not loaded.");
    return {};
  }
  return { query: query || undefined, variables: variables || undefined };
}

function operation(example) {
  const variables = Object.keys(example.variables).length ? JSON.stringify(example.variables, null, 2) : "{}";
  return { query: example.query, variables };
}

function Examples() {
  return h("section", { "aria-label": "Examples", className: "examples" },
    h("h2", { className: "graphiql-history-header" }, "Examples"),
    h("p", null, "An example opens in a new tab and does not run by itself."),
    h("ul", null, examples.map((example) => h("li", { key: example.name },
      h("a", { href: `/?example=${example.name}` }, example.title),
      h("span", null, example.description)))));
}

function ExamplesIcon() {
  return h("svg", { viewBox: "0 0 24 24", className: "icon", "aria-hidden": "true" }, h("use", { href: "/static/icons.svg#wand-sparkles" }));
}

const plugin = { title: "Examples", icon: ExamplesIcon, content: Examples };

// An example or a query of the address needs the width of the examples, which are one click away.
const given = givenOperation();
const showsExamples = window.innerWidth > 860 && !given.query;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  h(GraphiQL, {
    fetcher,
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
    plugins: [plugin],
    visiblePlugin: showsExamples ? plugin : undefined,
    ...given,
    defaultQuery: "# Ask the local ION. Ctrl-Enter runs, Ctrl-Space completes.\n{ me { id name email organization { id domain } } }\n",
  }),
);

// GraphiQL names its regions, but not the text areas of its editors; it cuts long lines.
new MutationObserver(() => {
  for (const area of document.querySelectorAll(".CodeMirror textarea:not([aria-label])")) {
    const region = area.closest("section[aria-label]");
    area.setAttribute("aria-label", region?.getAttribute("aria-label") ?? "Editor");
    area.closest(".CodeMirror").CodeMirror.setOption("lineWrapping", true);
  }
}).observe(document.getElementById("graphiql"), { childList: true, subtree: true });
