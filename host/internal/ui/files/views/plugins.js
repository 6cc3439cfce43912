// The plugins: which binaries run, whether anything pins them, and what their types take and give.

import { h } from "../dom.js";
import { get, path } from "../api.js";
import { state } from "../store.js";
import { to } from "../router.js";
import { words } from "../parts/state.js";
import { resource, resources } from "../parts/resource.js";
import { rowsOfBody, rowsOfValue, schemaTable, shapeOf } from "../parts/schema.js";

const look = 15000; // ms: no event says that a binary on the disk has changed

const wants = (e) => e.topic === "config";

// drifted: the plugins whose binary on the disk is another one. Not everybody may read the configuration.
const drifted = () => resource(async () => (await get("v1/config", 30000)).drift.plugins, wants, look);

const short = (digest) => (digest ? h("span", { class: "mono", title: digest }, digest.slice(0, 12)) : "–");

const pin = (p) => (p.pinned
  ? h("span", { title: "by the configuration or its lock file: no other binary is taken" }, "locked")
  : h("span", { class: "chip first", title: "whoever can write the file decides what runs; taskhost plugin lock locks it" }, "not locked"));

const tasks = (names) => (names.length ? names.map((n, i) => [i > 0 && ", ", h("a", { href: to("tasks", n) }, n)]) : h("span", { class: "faint" }, "none"));

export function plugins() {
  const of = resources("plugins", () => ({ list: resource(() => get("v1/plugins"), wants), drift: drifted() }));
  const all = of.list.value?.items ?? [];
  return h("main", { key: "plugins", id: "main", tabindex: "-1" }, h("h1", {}, "Plugins"),
    of.list.error && h("p", { class: "why bad" }, of.list.error.text ?? of.list.error.message),
    all.length ? h("div", { class: "card scroll" }, h("table", { class: "plain-table wide-table" },
      h("thead", {}, h("tr", {}, ["Plugin", "Version", "Digest", "Lock", "Types", "Tasks"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, all.map((p) => row(p, of.drift.value ?? [])))))
      : h("p", { class: "empty" }, of.list.value ? "No task uses a plugin yet." : "reading…"));
}

const another = (p, drift) => drift.includes(p.name) && h("span", { class: "chip", title: "a reload takes it" }, "another binary on the disk");

const row = (p, drift) => h("tr", { key: p.name },
  h("th", { scope: "row" }, h("a", { class: "row-link", href: to("plugins", p.name) }, p.name), another(p, drift), p.error && h("span", { class: "error sub" }, p.error), h("span", { class: "sub" }, p.doc)),
  h("td", {}, p.version || "–"), h("td", {}, short(p.digest)), h("td", {}, pin(p)),
  h("td", { class: "what" }, p.types.map((t) => h("div", { key: t.name }, t.name, h("span", { class: "faint" }, ` ${t.modes.map(words).join(", ")}`)))),
  h("td", { class: "what" }, tasks(p.tasks)));

export function plugin(name) {
  const of = resources(`plugin ${name}`, () => ({ one: resource(() => get(path`v1/plugins/${name}`), wants), drift: drifted() }));
  const p = of.one.value;
  if (!p) return h("main", { key: `plugin ${name}`, id: "main", tabindex: "-1" }, h("h1", {}, name), h("p", { class: "empty" }, of.one.error ? of.one.error.text ?? of.one.error.message : "reading…"));
  return h("main", { key: `plugin ${name}`, id: "main", class: "task", tabindex: "-1" },
    h("div", { class: "title" }, h("div", {}, h("h1", {}, name, another(p, of.drift.value ?? [])), h("p", { class: "faint" }, p.doc))),
    p.error && h("p", { class: "why bad" }, p.error),
    h("div", { class: "column" }, facts(p), p.types.map(typeCard)));
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

const facts = (p) => h("section", { key: "facts", class: "card" }, h("dl", { class: "facts" },
  fact("Version", p.version || "–"), fact("Lock", pin(p)), fact("SDK", p.sdk || "–"), fact("Protocol", p.protocol ?? "–"),
  p.features?.length && fact("Features", p.features.join(", ")), fact("Tasks", tasks(p.tasks)),
  p.path && h("div", { class: "wide" }, h("dt", {}, "Binary"), h("dd", { class: "mono" }, p.path)),
  h("div", { class: "wide" }, h("dt", {}, "Digest"), h("dd", { class: "mono" }, p.digest || "–"))));

// described is a schema below its heading: a table where it has parts, else its shape in words.
const described = (title, schema, doc) => {
  if (!schema) return null;
  const rows = rowsOfValue(schema);
  const shape = shapeOf(schema);
  return h("div", { key: title, class: "described" }, h("h3", {}, title, h("span", { class: "faint" }, [doc, shape].filter(Boolean).map((text) => ` · ${text}`))), rows.length > 0 && schemaTable(rows, title));
};

function typeCard(t) {
  const rows = rowsOfBody(t.config);
  return h("section", { key: t.name, class: "card", "aria-label": `type ${t.name}` },
    h("div", { class: "card-head" }, h("h2", {}, t.name), h("span", { class: "faint" }, t.modes.map(words).join(", ")), users(t)),
    h("p", {}, t.doc),
    h("div", { class: "described" }, h("h3", {}, "config", !rows.length && h("span", { class: "faint" }, " · takes nothing")), rows.length > 0 && schemaTable(rows, `config of ${t.name}`)),
    described("Input of a run", t.input), described("Result of a run", t.result), described(t.batch ? "Messages, in batches" : "Message", t.message),
    t.methods?.map((m) => h("div", { key: `method ${m.name}` }, described(`Method ${m.name}`, m.input, m.doc), described(`Answer of ${m.name}`, m.result))),
    t.outputs?.map((o) => described(`Output ${o.name}`, o.message ?? {}, o.doc)));
}

const users = (t) => {
  const names = [...state.tasks.values()].filter((one) => one.type === t.name).map((one) => one.name);
  return names.length > 0 && names.length < 20 && h("span", { class: "faint" }, "used by ", tasks(names));
};
