// Problems of a configuration, each with its place, its source line and what to do about it.

import { h } from "../dom.js";

// under marks what is meant below a source line; a mark ends with the line.
function under(d) {
  const to = d.end_line === d.line ? d.end_column : d.snippet.length + 1;
  return " ".repeat(Math.max(0, d.column - 1)) + "^".repeat(Math.max(1, Math.min(to, d.snippet.length + 1) - d.column));
}

const source = (d) => h("pre", { tabindex: "0", class: "source", "aria-label": `${d.file}, line ${d.line}` },
  `${String(d.line).padStart(4)} │ ${d.snippet}\n`, h("span", { class: "carets", "aria-hidden": "true" }, `     │ ${under(d)}`));

const one = (d, i) => h("li", { key: `${i} ${d.file} ${d.line}`, class: `diagnostic at-${d.severity}` },
  h("p", {}, h("b", { class: d.severity === "error" ? "error" : "warned" }, d.severity), " ", d.summary,
    d.file && h("span", { class: "faint mono" }, ` ${d.file}:${d.line}:${d.column}`)),
  d.snippet && source(d),
  d.detail && h("p", {}, d.detail),
  d.hint && h("p", { class: "faint" }, d.hint));

export const diagnostics = (list) => (list?.length ? h("ol", { class: "diagnostics" }, list.map(one)) : null);
