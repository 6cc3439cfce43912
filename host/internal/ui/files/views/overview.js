// Every task on one page: what it does, when it is next due, how it went.

import { h, lazy } from "../dom.js";
import { changed, mayAct, state } from "../store.js";
import { route, setQuery, to } from "../router.js";
import { ago, count, length, scheduleWords, since, stamp, until } from "../format.js";
import { icon, outcomeMark, stateMark, states, tones, usageText, words } from "../parts/state.js";
import { strip, stripOf, want } from "../parts/strip.js";
import { buttons, ladder, stopOf } from "../parts/actions.js";

const names = new Intl.Collator("en", { numeric: true });

const sorts = {
  name: (a, b) => names.compare(a.name, b.name),
  state: (a, b) => states.indexOf(a.state) - states.indexOf(b.state),
  next: (a, b) => (a.next_slot ?? "~").localeCompare(b.next_slot ?? "~"),
  last: (a, b) => (b.last?.ended_at ?? "").localeCompare(a.last?.ended_at ?? ""),
  took: (a, b) => (b.last?.took ?? -1) - (a.last?.took ?? -1),
};

const groups = {
  paused: (t) => Boolean(t.paused),
  degraded: (t) => t.health?.status === "degraded",
};

let choice = { key: "", tasks: [] };

// chosen are the tasks that the address asks for, in its order. Most drawings come without a change of that.
function chosen(query) {
  const key = `${state.version} ${query}`;
  if (choice.key !== key) choice = { key, tasks: choose(query) };
  return choice.tasks;
}

function choose(query) {
  const only = query.get("state");
  const text = (query.get("q") ?? "").toLowerCase();
  const fits = (t) => (!only || t.state === only || groups[only]?.(t)) && (!text || haystack(t).includes(text));
  const order = sorts[query.get("sort")] ?? sorts.name;
  const turn = query.get("down") ? -1 : 1;
  return [...state.tasks.values()].filter(fits).sort((a, b) => turn * order(a, b) || sorts.name(a, b));
}

const haystack = (t) =>
  [t.name, t.description, t.plugin, t.type, t.mode_text, ...Object.entries(t.labels ?? {}).map(([k, v]) => `${k}=${v}`)].join(" ").toLowerCase();

function chips(query) {
  const n = new Map();
  for (const t of state.tasks.values()) {
    n.set(t.state, (n.get(t.state) ?? 0) + 1);
    for (const [name, is] of Object.entries(groups)) if (is(t)) n.set(name, (n.get(name) ?? 0) + 1);
  }
  const only = query.get("state") ?? "";
  const chip = (word, text, count, mark) =>
    h("button", { key: text, type: "button", class: "filter", "aria-pressed": only === word ? "true" : "false", on: { click: () => setQuery({ state: only === word ? "" : word }) } },
      mark, h("span", {}, text), " ", h("b", {}, count));
  return h("div", { class: "filters", role: "group", "aria-label": "filter by state" },
    chip("", "all", state.tasks.size),
    [...states, "degraded", "paused"].filter((s) => n.get(s) || s === only).map((s) => chip(s, words(s), n.get(s) ?? 0, icon(s, `tone-${tones[s] ?? "warn"}`))));
}

function head(query) {
  const sort = query.get("sort") ?? "name";
  const down = Boolean(query.get("down"));
  const col = (name, text, cls) => {
    const on = sort === name;
    const click = () => setQuery({ sort: name === "name" && (!on || down) ? "" : name, down: on && !down ? "1" : "" });
    return h("div", { role: "columnheader", class: cls, "aria-sort": on ? (down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", class: "sort", on: { click } }, text, on && h("span", { "aria-hidden": "true" }, down ? " ↓" : " ↑")));
  };
  const plain = (text, cls) => h("div", { role: "columnheader", class: cls }, text);
  return h("div", { role: "rowgroup", class: "head" }, h("div", { role: "row" },
    col("name", "Task", "c-name"), col("state", "State", "c-state"), col("next", "Next", "c-next"), col("last", "Last", "c-last"),
    plain("Runs", "c-strip"), plain("Note", "c-note"), plain(mayAct() ? "Actions" : "", "c-actions")));
}

const near = new Set(); // tasks whose rows are near the window: only these are made whole

const watch = new IntersectionObserver((entries) => {
  const before = [...near].join();
  for (const e of entries) {
    const t = state.tasks.get(e.target.dataset.task);
    if (t && e.isIntersecting) {
      near.add(t.name);
      want(t.name, t.mode === "periodic");
    } else if (!e.target.contains(document.activeElement)) near.delete(e.target.dataset.task);
  }
  if ([...near].join() !== before) changed();
}, { rootMargin: "100% 0%" });

const frame = (t, ...inner) => h("div", { role: "row", class: `task-row at-${t.state}`, "data-task": t.name, made: (el) => watch.observe(el) }, inner);

// outline stands for a row that is far from the window.
const outline = (t) => frame(t,
  h("div", { role: "cell", class: "c-name" }, h("a", { class: "row-link", href: to("tasks", t.name) }, t.name)),
  h("div", { role: "cell", class: "c-state" }, words(t.state)));

function row(t) {
  return frame(t,
    h("div", { role: "cell", class: "c-name" },
      h("a", { class: "row-link", href: to("tasks", t.name) }, t.name),
      h("span", { class: "sub", title: t.description || null }, t.description ? `${scheduleWords(t)} · ${t.description}` : scheduleWords(t))),
    h("div", { role: "cell", class: "c-state" }, stateMark(t), h("span", { class: "sub", title: stamp(t.since), tick: () => since(t.since) })),
    h("div", { role: "cell", class: "c-next" }, nextOf(t)),
    h("div", { role: "cell", class: "c-last" }, lastOf(t)),
    h("div", { role: "cell", class: "c-strip" }, strip(t.name)),
    h("div", { role: "cell", class: "c-note" }, noteOf(t)),
    h("div", { role: "cell", class: "c-actions" }, buttons(t)));
}

function nextOf(t) {
  if (t.next_slot) return h("time", { datetime: t.next_slot, title: stamp(t.next_slot, t.time_zone), tick: () => until(t.next_slot) });
  if (t.reason?.until) return h("span", { title: stamp(t.reason.until), tick: () => `tries ${until(t.reason.until)}` });
  return h("span", { class: "faint" }, "–");
}

function lastOf(t) {
  if (!t.last) return h("span", { class: "faint" }, "–");
  return [
    h("a", { class: "quiet", href: to("runs", t.last.id) }, outcomeMark(t.last.outcome)),
    h("span", { class: "sub", title: stamp(t.last.ended_at) }, `${length(t.last.took)}, `, h("span", { tick: () => ago(t.last.ended_at) })),
  ];
}

export function progress(p) {
  if (!p?.total) return null;
  return h("progress", { max: p.total, value: Math.min(p.done, p.total), "aria-label": `${p.done} of ${p.total}` });
}

function noteOf(t) {
  const stopping = t.runs?.find(stopOf);
  const working = t.runs?.find((r) => r.progress?.total);
  return [
    stopping && ladder(stopping),
    working && progress(working.progress),
    h("span", { class: "note", title: t.note || null }, t.note),
    t.restarts > 0 && h("span", { class: "sub" }, count(t.restarts, "restart")),
    t.processes?.length > 0 && h("span", { class: "sub usage", title: "processor and memory of its processes", tick: () => usageText(t.name) }),
  ];
}

// A row is made again only when something of it has changed.
const rowOf = (t) => (near.has(t.name)
  ? lazy(t.name, [t, stripOf(t.name), state.pending.get(t.name), state.menu?.task === t.name, mayAct()], () => row(t))
  : lazy(t.name, [t.state], () => outline(t)));

// A long list is made in parts, one for each frame, so that nothing halts while it grows.
const part = 100;
let made = part;

function grow(all) {
  if (made >= all) return;
  requestAnimationFrame(() => {
    made += part;
    changed();
  });
}

const empty = () => h("div", { class: "empty" },
  h("h2", {}, "No task yet"),
  h("p", {}, "A task is a block in the host's configuration. This one says the time every ten seconds; write it into a file and start the host on it:"),
  h("pre", { tabindex: "0" }, `task "clock" {
  plugin = "exec"
  periodic {
    every = "10s"
  }
  config {
    command = ["date"]
  }
}`),
  h("p", {}, h("code", {}, "taskhost validate FILE"), " checks it before anything runs."));

export function overview() {
  const { query } = route();
  if (!state.tasks.size) return h("main", { key: "overview", id: "main", tabindex: "-1" }, h("h1", { class: "hidden" }, "Tasks"), empty());
  const tasks = chosen(query);
  grow(tasks.length);
  return h("main", { key: "overview", id: "main", tabindex: "-1" },
    h("h1", { class: "hidden" }, "Tasks"),
    h("div", { class: "tools" }, chips(query),
      h("input", { id: "search", type: "search", placeholder: "search  /", "aria-label": "search tasks by name, label, plugin", value: query.get("q") ?? "", autocomplete: "off", on: { input: (e) => setQuery({ q: e.currentTarget.value }) } })),
    h("div", { role: "table", class: "tasks", "aria-label": "tasks", "aria-rowcount": tasks.length + 1 }, head(query),
      h("div", { role: "rowgroup", class: "body" }, tasks.slice(0, made).map(rowOf))),
    !tasks.length && h("p", { class: "empty" }, "No task fits. ", h("button", { type: "button", on: { click: () => setQuery({ state: "", q: "" }) } }, "Show all")));
}
