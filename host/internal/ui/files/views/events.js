// What happens, as it happens, and for admins who asked for what.

import { h, lazy } from "../dom.js";
import { get } from "../api.js";
import { changed, state } from "../store.js";
import { route, setQuery, to } from "../router.js";
import { ago, clock, count, millis, stamp } from "../format.js";
import { words } from "../parts/state.js";
import { beganAt, events } from "../parts/eventlog.js";
import { release, resource, resources } from "../parts/resource.js";

const topics = ["task", "run", "slot", "state", "queue", "config", "host"];
const rows = 200; // that are shown
const look = 5000; // ms: the audit log has no events

let held = null; // the list as it was when somebody wanted to read it

const views = (here) => state.who?.role === "admin" && h("nav", { "aria-label": "events and audit", class: "sub-nav" },
  [["events", "Events"], ["audit", "Audit"]].map(([at, text]) => h("a", { href: to(at), "aria-current": at === here ? "page" : null }, text)));

export function eventsView() {
  release();
  const { query } = route();
  const [topic, task] = [query.get("topic") ?? "", (query.get("task") ?? "").toLowerCase()];
  const fits = (e) => e.gap || ((!topic || e.topic === topic) && (!task || (e.task ?? "").toLowerCase().includes(task)));
  const all = held ?? events();
  const shown = all.filter(fits).slice(-rows).reverse();
  const hold = () => {
    held = held ? null : events();
    changed();
  };
  return h("main", { key: "events", id: "main", tabindex: "-1" },
    h("div", { class: "tools" }, h("h1", {}, "Events"), views("events"),
      h("span", { class: held ? "faint" : "live" }, held ? "held" : "live"),
      h("button", { type: "button", "aria-pressed": held ? "true" : "false", on: { click: hold } }, held ? "Go on" : "Hold"),
      h("span", { class: "spacer" }),
      h("select", { "aria-label": "only events about", on: { change: (e) => setQuery({ topic: e.currentTarget.value }) } },
        ["", ...topics].map((t) => h("option", { value: t, selected: t === topic }, t || "everything"))),
      h("input", { id: "search", type: "search", placeholder: "task  /", "aria-label": "only events of tasks whose name has this text", value: query.get("task") ?? "", autocomplete: "off", on: { input: (e) => setQuery({ task: e.currentTarget.value }) } })),
    shown.length ? h("div", { class: "card scroll" }, h("table", { class: "plain-table events" },
      h("thead", {}, h("tr", {}, ["At", "About", "Kind", "Task", "Run", "What"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, shown.map((e) => lazy(e.key, [e], () => eventRow(e)))))) : h("p", { class: "empty" }, "No event yet that fits."),
    h("p", { class: "faint" }, `The newest ${rows} of those since ${clock(beganAt)}, when this page was opened.`));
}

const eventRow = (e) => (e.gap
  ? h("tr", { class: "gap-row" }, h("td", { colspan: 6 }, `… ${millis(e.at)}: the host no longer knew some events before this line; they are missing here …`))
  : h("tr", {}, h("td", { title: stamp(e.at) }, millis(e.at)), h("td", {}, e.topic), h("td", {}, words(e.kind)),
    h("td", {}, e.task && h("a", { href: to("tasks", e.task) }, e.task)), h("td", { class: "mono" }, e.run && h("a", { href: to("runs", e.run) }, e.run.slice(-6))),
    h("td", { class: "what" }, e.text)));

// ---- audit

const filters = [["actor", "who"], ["task", "task"], ["queue", "queue"]];

function readAudit() {
  const { query } = route();
  const q = new URLSearchParams({ limit: "100" });
  for (const name of [...filters.map(([f]) => f), "cursor"]) if (query.get(name)) q.set(name, query.get(name));
  return get(`v1/audit?${q}`);
}

export function audit() {
  const { query } = route();
  const of = resources("audit", () => ({ list: resource(readAudit, null, look) }));
  const move = (changes) => {
    setQuery(changes);
    of.list.again();
  };
  const all = of.list.value?.items ?? [];
  const next = of.list.value?.next_cursor;
  return h("main", { key: "audit", id: "main", tabindex: "-1" },
    h("div", { class: "tools" }, h("h1", {}, "Audit"), views("audit"), h("span", { class: "spacer" }),
      filters.map(([name, text]) => h("input", { key: name, type: "search", class: "grep", placeholder: text, "aria-label": `only requests of this ${text}`, value: query.get(name) ?? "", autocomplete: "off", on: { change: (e) => move({ [name]: e.currentTarget.value.trim(), cursor: "" }) } }))),
    of.list.error && h("p", { class: "why bad" }, of.list.error.text ?? of.list.error.message),
    all.length ? h("div", { class: "card scroll" }, h("table", { class: "plain-table audit" },
      h("thead", {}, h("tr", {}, ["When", "Who", "Request", "On", "Why", "Result"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, all.map((r) => lazy(String(r.seq), [r.seq], () => auditRow(r)))))) : h("p", { class: "empty" }, of.list.value ? "No record fits." : ""),
    h("div", { class: "pages" },
      query.get("cursor") && h("button", { type: "button", on: { click: () => move({ cursor: "" }) } }, "Newest"),
      next && h("button", { type: "button", on: { click: () => move({ cursor: next }) } }, "Older")));
}

const target = (r) => [
  r.task && h("a", { href: to("tasks", r.task) }, r.task), r.queue && h("a", { href: to("queues", r.queue) }, r.queue),
  r.run && h("a", { class: "mono", href: to("runs", r.run) }, `run ${r.run.slice(-6)}`), r.name, r.tasks?.join(", "),
].filter(Boolean).map((one, i) => [i > 0 && ", ", one]);

const result = (r) => [
  h("span", { class: r.status >= 400 ? "error" : "" }, [r.status, r.code && words(r.code)].filter(Boolean).join(" ")),
  r.changed === false && h("span", { class: "faint" }, " changed nothing"),
];

const auditRow = (r) => h("tr", {},
  h("td", { title: stamp(r.at), tick: () => ago(r.at) }),
  h("td", {}, r.actor || h("i", {}, "a stranger"), h("span", { class: "sub" }, [r.via, r.peer].filter(Boolean).join(" · "))),
  h("td", { class: "mono" }, r.route), h("td", { class: "what" }, target(r)), h("td", { class: "what" }, r.reason),
  h("td", {}, result(r), r.count > 0 && h("span", { class: "sub" }, `and ${r.count} more like it`), r.lost > 0 && h("span", { class: "sub error" }, `${count(r.lost, "record")} before it could not be written`)));
