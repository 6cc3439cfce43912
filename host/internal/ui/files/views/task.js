// One task: what it does and why, when it is next due, its runs, its state and its log.

import { h } from "../dom.js";
import { get, path } from "../api.js";
import { mayAct, soil, state } from "../store.js";
import { go, route, setQuery, to } from "../router.js";
import { ago, bytes, clock, count, length, load, scheduleWords, since, stamp, until, viewerZone } from "../format.js";
import { outcomeMark, stateMark, tones, words } from "../parts/state.js";
import { cells, cellText, stripOf, summary, want } from "../parts/strip.js";
import { buttons, ladder, stopOf } from "../parts/actions.js";
import { resource, resources } from "../parts/resource.js";
import { liveLog, logView } from "../parts/log.js";
import { published, stateTable } from "../parts/spark.js";
import { methodsCard, typeOf } from "../parts/input.js";
import { progress } from "./overview.js";

const page = 25;

function parts(name) {
  soil(name); // with its config, which no list has
  const mine = (e) => e.task === name;
  return {
    runs: resource(() => readRuns(name), (e) => mine(e) && e.topic === "run" && e.kind !== "progress"),
    slots: resource(() => get(path`v1/tasks/${name}/schedule` + "?limit=5"), (e) => mine(e) && ["task", "slot", "run"].includes(e.topic)),
    state: published(name),
    type: resource(() => (state.tasks.has(name) ? typeOf(state.tasks.get(name)) : null), (e) => e.topic === "config"),
    log: liveLog(path`v1/tasks/${name}/logs`, true, "tasks", name),
    usage: every(5000, () => soil(name)),
  };
}

// every does something again and again while somebody sees the view.
function every(ms, act) {
  let clock = null;
  return { start: () => { clock = setInterval(() => document.hidden || act(), ms); }, stop: () => clearInterval(clock) };
}

// readRuns is the page of runs that the address names.
function readRuns(name) {
  const { query } = route();
  const q = new URLSearchParams({ limit: page });
  if (query.get("outcome")) q.set("outcome", query.get("outcome"));
  if (query.get("before")) q.set("cursor", query.get("before"));
  return get(path`v1/tasks/${name}/runs` + `?${q}`);
}

export function task(name) {
  const t = state.tasks.get(name);
  const of = resources(`task ${name}`, () => parts(name));
  if (!t) return missing(name, of);
  want(name, t.mode === "periodic");
  return h("main", { key: `task ${name}`, id: "main", class: "task", tabindex: "-1", "data-task": name },
    h("div", { class: "title" },
      h("div", {}, h("h1", {}, name), h("p", { class: "faint" }, t.description)),
      h("div", { class: "title-state" }, stateMark(t), h("span", { class: "faint", title: stamp(t.since), tick: () => `for ${since(t.since)}` })),
      h("div", { class: "c-actions" }, buttons(t))),
    why(t),
    h("div", { class: "columns" },
      h("div", { class: "column" }, facts(t, of), bigStrip(t), runsCard(name, of)),
      h("div", { class: "column" }, logView(of.log, name), stateTable(of.state), methodsCard(t, of.type.value, mayAct()), processes(t), config(t))));
}

function missing(name, of) {
  return h("main", { key: `gone ${name}`, id: "main", tabindex: "-1" }, h("h1", {}, name),
    h("p", { class: "empty" }, "The configuration has no such task. ", of.runs.value?.items.length ? "Its history stays:" : ""),
    of.runs.value?.items.length ? runsCard(name, of) : null);
}

// why says what holds the task up, and until when.
function why(t) {
  const lines = [];
  const add = (text, at, bad) => lines.push(h("p", { class: bad ? "why bad" : "why" }, text, at && h("b", { title: stamp(at), tick: () => ` ${until(at)}` })));
  if (t.reason?.text && !(t.stopped && t.reason.code === "stopped")) add(t.reason.text, t.reason.until, ["failed", "crash_loop", "backoff"].includes(t.state));
  for (const [what, o] of [["stopped", t.stopped], ["paused", t.paused]]) {
    if (o) add(`${what} by ${o.by} ${ago(o.at)}${o.reason ? `: “${o.reason}”` : ""}`, o.until);
  }
  if (t.waiting) add(`waits for ${[t.waiting.for, t.waiting.on].filter(Boolean).join(" ")}, since ${clock(t.waiting.since)}`, t.waiting.until);
  for (const r of t.health?.reasons ?? []) if (r.text !== t.reason?.text) add(r.text, r.until, true);
  for (const r of t.runs ?? []) {
    if (stopOf(r)) lines.push(h("p", { class: "why" }, "stopping: ", ladder(r), r.stop.actor && ` (asked by ${r.stop.actor})`));
    if (r.progress) lines.push(h("p", { class: "why" }, progress(r.progress), [r.progress.total ? `${r.progress.done} of ${r.progress.total}` : "", r.progress.note].filter(Boolean).join(" ")));
  }
  return lines;
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function facts(t, of) {
  const slots = of.slots.value?.items ?? [];
  const zone = t.time_zone && t.time_zone !== viewerZone() ? t.time_zone : "";
  return h("section", { key: "facts", class: "card" }, h("dl", { class: "facts" },
    fact("Schedule", scheduleWords(t), t.mode_text.startsWith("cron ") && h("span", { class: "sub mono" }, t.mode_text.slice(5))),
    fact("Plugin", `${t.plugin} · ${t.type}`),
    fact("Last", t.last ? [outcomeMark(t.last.outcome), h("span", { class: "sub", title: stamp(t.last.ended_at), tick: () => ago(t.last.ended_at) })] : "–"),
    fact("Last success", t.last_success ? h("span", { title: stamp(t.last_success), tick: () => ago(t.last_success) }) : "–"),
    t.failures > 0 && fact("Failures in a row", t.failures),
    t.restarts > 0 && fact("Restarts", t.restarts),
    t.groups?.length && fact("Groups", t.groups.join(", ")),
    t.depends_on?.length && fact("Depends on", t.depends_on.map((d) => [h("a", { href: to("tasks", d.task) }, d.task), ` ${d.condition} `])),
    fact("A stop", `drain ${length(t.stop_ladder.drain)}, cancel ${length(t.stop_ladder.cancel)}, kill`),
    Object.keys(t.labels ?? {}).length > 0 && fact("Labels", Object.entries(t.labels).map(([k, v]) => h("span", { class: "label" }, `${k}=${v}`))),
    t.source && fact("Declared in", h("span", { class: "mono", title: t.source }, t.source.split("/").at(-1))),
    slots.length > 0 && h("div", { class: "wide" }, h("dt", {}, "Next slots"), h("dd", {}, h("ul", { class: "slots" }, slots.map((s) =>
      h("li", { key: s.at }, h("time", { datetime: s.at }, clock(s.at)), zone && h("span", { class: "faint" }, ` = ${stamp(s.at, zone)}`),
        h("span", { class: "faint", tick: () => ` ${until(s.at)}` }), s.held && h("span", { class: "chip" }, s.held))))))));
}

function bigStrip(t) {
  const one = stripOf(t.name);
  if (!one?.runs.length) return null;
  const all = cells(one);
  const longest = Math.max(...all.map((c) => c.took));
  const bar = (c, i) => {
    const tall = c.word === "missed" ? 3 : Math.max(6, Math.round(48 * Math.sqrt(c.took / longest || 0)));
    const open = c.id ? { click: () => go(to("runs", c.id)) } : {}; // for the mouse; the table below has the same as links
    return h("rect", { key: c.id ?? `gap ${c.at}`, x: i * 10, y: 48 - tall, width: 8, height: tall, rx: 1, class: `tone-${tones[c.word] ?? "calm"}`, on: open }, h("title", {}, cellText(c)));
  };
  return h("section", { key: "strip", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Last runs"), h("span", { class: "faint" }, summary(all)), h("span", { class: "spacer" }), h("span", { class: "faint" }, `longest ${length(longest)}`)),
    h("svg", { class: "big-strip", viewBox: `0 0 ${Math.max(50, all.length) * 10} 48`, preserveAspectRatio: "none", role: "img", "aria-label": `last ${count(all.length, "run")}: ${summary(all)}` }, all.map(bar)));
}

const outcomes = ["succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"];

function runsCard(name, of) {
  const { query } = route();
  const runs = of.runs.value?.items ?? [];
  const move = (changes) => {
    setQuery(changes);
    of.runs.again();
  };
  const next = of.runs.value?.next_cursor;
  return h("section", { key: "runs", class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "Runs"), h("span", { class: "spacer" }),
      h("select", { "aria-label": "only runs with this outcome", on: { change: (e) => move({ outcome: e.currentTarget.value, before: "" }) } },
        ["", ...outcomes].map((o) => h("option", { value: o, selected: o === (query.get("outcome") ?? "") }, o ? words(o) : "every outcome")))),
    of.runs.error && h("p", { class: "error" }, of.runs.error.text ?? of.runs.error.message),
    runs.length ? h("div", { class: "scroll" }, h("table", { class: "plain-table runs" },
      h("thead", {}, h("tr", {}, ["Outcome", "Began", "Took", "Trigger", "What it says"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, runs.map(runRow)))) : h("p", { class: "faint none" }, of.runs.value ? "no runs" : "reading…"),
    h("div", { class: "pages" },
      query.get("before") && h("button", { type: "button", on: { click: () => move({ before: "" }) } }, "Newest"),
      next && h("button", { type: "button", on: { click: () => move({ before: next }) } }, "Older")));
}

function runRow(r) {
  const at = r.started_at ?? r.queued_at;
  return h("tr", { key: r.id },
    h("td", {}, h("a", { class: "row-link quiet", href: to("runs", r.id) }, outcomeMark(r.state === "ended" ? r.outcome : r.state))),
    h("td", { title: stamp(at) }, clock(at)),
    h("td", {}, r.state === "ended" ? length(r.duration) : h("span", { tick: () => since(at) })),
    h("td", { class: "nowrap" }, words(r.trigger), r.actor && h("span", { class: "faint" }, ` ${r.actor}`)),
    h("td", { class: "says", title: r.error?.message ?? r.note ?? null }, r.error?.message ?? r.note ?? "", r.attempts?.length > 1 && h("span", { class: "chip" }, count(r.attempts.length, "attempt"))));
}

// taken is what a process takes; it is read now and then, and no event says so.
function taken(name, pid, text) {
  const usage = () => state.usage.get(name)?.of.get(pid);
  const of = usage();
  return h("td", { title: of && (of.of === "tree" ? "with everything that it has started" : "of the process alone"), tick: () => (usage() ? text(usage()) : "–") });
}

function processes(t) {
  if (!t.processes?.length) return null;
  return h("section", { key: "processes", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Processes")),
    h("div", { class: "scroll" }, h("table", { class: "plain-table" },
      h("thead", {}, h("tr", {}, ["Pid", "State", "Since", "CPU", "Memory", "Plugin", "Limits"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, t.processes.map((p) => h("tr", { key: p.pid },
        h("td", {}, p.pid), h("td", {}, p.state), h("td", { title: stamp(p.started_at), tick: () => since(p.started_at) }),
        taken(t.name, p.pid, (u) => load(u.cpu_percent)), taken(t.name, p.pid, (u) => bytes(u.rss_bytes)),
        h("td", {}, [p.version, p.digest?.slice(0, 12)].filter(Boolean).join(" · ")),
        h("td", {}, p.limits?.map((l) => h("span", { class: l.error ? "label bad" : "label", title: l.error || null }, `${l.name} ${l.value}${l.by ? ` by ${l.by}` : ", not enforced"}`)))))))));
}

function config(t) {
  if (!t.config || t.config === "{}") return null;
  return h("details", { key: "config", class: "card" }, h("summary", {}, "Configuration ", h("span", { class: "faint" }, `generation ${t.generation}`)),
    h("pre", { tabindex: "0" }, JSON.stringify(t.config, null, 2)));
}
