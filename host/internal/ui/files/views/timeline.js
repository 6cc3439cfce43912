// All tasks on one time line: what ran, for how long and how it ended, what did not run and why, and what comes.

import { h, lazy } from "../dom.js";
import { changed, state } from "../store.js";
import { go, route, setQuery, to } from "../router.js";
import { clock, count, length, ms, now, scheduleWords, stamp, until, viewerZone } from "../format.js";
import { resources } from "../parts/resource.js";
import { reader } from "../parts/rows.js";
import { outcomeMark, tones, words } from "../parts/state.js";
import { atOnce, changes, lanes, marks, windowAt, zooms } from "../parts/span.js";

const all = 500; // so many tasks are read whether they are in view or not
const listed = 100;
const nothing = "nothing in this span";
const often = 12; // a task with more slots to come than that is one line of the list
const width = 1000; // of a row's drawing, whatever the window's
const lane = 22;

const iso = (at) => new Date(at).toISOString();

// asked is what the address asks for: how much of time, around which moment; without one the line moves on with the clock.
function asked() {
  const { query } = route();
  const zoom = zooms[query.get("zoom")] ? query.get("zoom") : "24h";
  const at = ms(query.get("at")) || now();
  return { zoom, at, q: (query.get("q") ?? "").toLowerCase(), ...windowAt(zoom, at) };
}

// spanOf is what is read for a window: more than is seen, so that moving on seldom needs another reading.
function spanOf(w) {
  const half = zooms[w.zoom].span / 2;
  const from = Math.floor(w.from / half) * half;
  return { from, to: from + 3 * half, key: `${w.zoom} ${from}` };
}

function parts() {
  let timer = null;
  return {
    rows: reader(),
    clock: { start: () => { timer = setInterval(changed, 15000); }, stop: () => clearInterval(timer) },
  };
}

export function timeline() {
  const of = resources("timeline", parts);
  const w = asked();
  const found = [...state.tasks.values()].filter((t) => !w.q || t.name.includes(w.q)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const tasks = found.filter((t) => !quiet(t, w));
  const near = tasks.filter((t) => tasks.length <= all || seen.has(t.name)).map((t) => t.name);
  of.rows.want(near, spanOf(w));
  const known = tasks.map((t) => ({ t, row: of.rows.of(t.name) })).filter((one) => one.row?.at);
  const bare = new Set(known.filter(({ row }) => row.key === spanOf(w).key && summary(row, w) === nothing).map(({ t }) => t));
  const shown = tasks.filter((t) => !bare.has(t));
  return h("main", { key: "timeline", id: "main", tabindex: "-1" },
    h("div", { class: "title" }, h("h1", {}, "Timeline"), h("span", { class: "faint" }, `${stamp(iso(w.from)).slice(0, 16)} to ${stamp(iso(w.to)).slice(0, 16)}, ${viewerZone()}`)),
    tools(w),
    state.tasks.size ? [
      h("section", { key: "lanes", class: "card lanes", "aria-label": "tasks on the time line" },
        h("p", { class: "readout", "aria-hidden": "true" }, said || legend()),
        h("div", { class: "lane-frame" }, guides(w), axis(w), together(known, w),
          h("ul", { class: "lane-list" }, shown.map((t) => laneOf(t, of.rows.of(t.name), w))))),
      found.length > shown.length && h("p", { class: "faint aside" }, `${count(found.length - shown.length, "task")} with ${nothing}`),
      h("div", { class: "columns" }, h("div", { class: "column" }, comes(known, w), held(known, w)), h("div", { class: "column" }, ended(known, w))),
      near.length < tasks.length && h("p", { class: "faint aside" }, "The lists hold the tasks that have been in view.")] : h("p", { class: "empty" }, "No task yet. ", h("a", { href: to() }, "How to make the first one")));
}

// quiet: nothing of the task can lie in the window, from what is known without reading its past.
function quiet(t, w) {
  if (t.running.length || ms(t.last?.ended_at) >= w.from || ms(t.next_slot) <= w.to) return false;
  return t.mode !== "periodic" || !(ms(t.last_slot) >= w.from) || w.from > now();
}

// ---- moving about

const names = Object.keys(zooms);

function move(by) {
  const w = asked();
  const at = w.at + by * zooms[w.zoom].span;
  setQuery({ at: Math.abs(at - now()) < zooms[w.zoom].step ? "" : iso(at) });
}

function zoomBy(by) {
  const next = names[names.indexOf(asked().zoom) + by];
  if (next) setQuery({ zoom: next === "24h" ? "" : next });
}

// timelineKey moves the line when its view is open.
export function timelineKey(key) {
  const act = { ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), "+": () => zoomBy(-1), "-": () => zoomBy(1), n: () => setQuery({ at: "" }) }[key];
  act?.();
  return Boolean(act);
}

function tools(w) {
  const button = (text, label, act) => h("button", { type: "button", "aria-label": label, on: { click: act } }, text);
  return h("div", { class: "tools" },
    h("div", { class: "filters", role: "group", "aria-label": "how much of time" }, names.map((name) =>
      h("button", { type: "button", class: "filter", "aria-pressed": name === w.zoom ? "true" : "false", on: { click: () => setQuery({ zoom: name === "24h" ? "" : name }) } }, name.replace(/(\d+)/, "$1 ")))),
    h("div", { class: "filters", role: "group", "aria-label": "where" }, button("◀", "earlier", () => move(-0.5)), button("now", "around now", () => setQuery({ at: "" })), button("▶", "later", () => move(0.5))),
    h("input", { id: "search", type: "search", placeholder: "search  /", "aria-label": "only tasks whose name has this", value: route().query.get("q") ?? "", autocomplete: "off", on: { input: (e) => setQuery({ q: e.currentTarget.value }) } }));
}

// ---- the drawing

let said = ""; // what the pointer is on
const seen = new Set(); // tasks whose rows have been near the window

const watch = new IntersectionObserver((entries) => {
  const fresh = entries.filter((e) => e.isIntersecting && !seen.has(e.target.dataset.lane));
  for (const e of fresh) seen.add(e.target.dataset.lane);
  if (fresh.length) changed();
}, { rootMargin: "300px" });

const legend = () => [["succeeded", "succeeded"], ["failed", "failed"], ["cancelled", "cancelled"], ["running", "running"], ["missed", "did not run"]].map(([word, text]) =>
  h("span", { class: "key" }, h("svg", { width: 10, height: 10 }, h("rect", { width: 10, height: 10, rx: 2, class: `tone-${word === "running" ? "busy" : tones[word]}` })), text)).concat(h("span", { class: "key" }, h("svg", { width: 10, height: 10 }, h("rect", { x: 1, y: 1, width: 8, height: 8, class: "to-come" })), "to come, as long as the last"));

const share = (at, w) => (at - w.from) / (w.to - w.from);
const percent = (at, w) => `${(100 * share(at, w)).toFixed(2)}%`;
const within = (s, w) => s.to >= w.from && s.from <= w.to;

// zonesOf are the viewer's and those of the tasks' schedules.
const zonesOf = () => new Set([viewerZone(), ...[...state.tasks.values()].map((t) => t.time_zone).filter(Boolean)]);

// turns are the moments at which some clock is changed, by moment.
function turns(w) {
  const found = new Map();
  for (const zone of zonesOf()) {
    for (const c of changes(zone, w.from, w.to)) {
      const text = `${c.by > 0 ? "+" : "−"}${length(Math.abs(c.by) * 60)}`;
      found.set(c.at, { at: c.at, text, zones: [...(found.get(c.at)?.zones ?? []), zone] });
    }
  }
  return [...found.values()];
}

let marked = { key: "", marks: [], turns: [] };

// axisOf is made anew only when the window moves on.
function axisOf(w) {
  const key = `${w.zoom} ${w.from} ${[...zonesOf()]}`;
  if (marked.key !== key) marked = { key, marks: marks(viewerZone(), w.from, w.to, zooms[w.zoom].mark), turns: turns(w) };
  return marked;
}

function guides(w) {
  const line = (at, cls) => h("line", { x1: percent(at, w), x2: percent(at, w), y1: 0, y2: "100%", class: cls });
  const here = now();
  return h("svg", { class: "guides", "aria-hidden": "true", width: "100%", height: "100%" },
    axisOf(w).marks.map((at) => line(at, "mark")), axisOf(w).turns.map((c) => line(c.at, "turn")),
    here >= w.from && here <= w.to && line(here, "now"));
}

function axis(w) {
  const label = (at) => {
    const text = stamp(iso(at));
    return w.zoom === "7d" || text.slice(11, 16) === "00:00" ? text.slice(5, 10) : text.slice(11, 16);
  };
  const inside = (at) => share(at, w) > 0.02 && share(at, w) < 0.98;
  const zones = (c) => c.zones.join(", ");
  return h("div", { class: "lane axis" }, h("span", { class: "lane-name" }), h("div", { class: "lane-draw" },
    h("svg", { width: "100%", height: 34, role: "img", "aria-label": `from ${stamp(iso(w.from))} to ${stamp(iso(w.to))}${axisOf(w).turns.map((c) => `; clocks ${c.text} at ${stamp(iso(c.at))} in ${zones(c)}`).join("")}` },
      axisOf(w).marks.filter(inside).map((at) => h("text", { key: at, x: percent(at, w), y: 13 }, label(at))),
      now() > w.from && now() < w.to && h("text", { class: "now", x: percent(now(), w), y: 29 }, "now"),
      axisOf(w).turns.map((c) => h("text", { key: `turn ${c.at}`, class: "turn", x: percent(c.at, w), y: 29 }, h("title", {}, `clocks ${c.text} in ${zones(c)}`), `clocks ${c.text}`)))));
}

// together shows how many runs went on at once.
function together(known, w) {
  const here = now();
  const steps = atOnce(known.flatMap(({ row }) => row.runs.filter((r) => within(r, w)).map((r) => ({ from: Math.max(r.from, w.from), to: Math.min(r.to, here, w.to) }))));
  const most = Math.max(0, ...steps.map((s) => s.n));
  const x = (at) => (width * share(at, w)).toFixed(1);
  const d = steps.map((s) => `M${x(s.from)} 26V${(26 - (24 * s.n) / most).toFixed(1)}H${Math.max(Number(x(s.to)), Number(x(s.from)) + 0.6).toFixed(1)}V26z`).join("");
  return h("div", { class: "lane" }, h("span", { class: "lane-name faint" }, `at once${most ? `, at most ${most}` : ""}`), h("div", { class: "lane-draw" },
    h("svg", { viewBox: `0 0 ${width} 26`, width: "100%", height: 26, preserveAspectRatio: "none", role: "img", "aria-label": `at most ${most} runs at once` }, d && h("path", { class: "at-once", d }))));
}

// laneOf is one task: made again only when what it shows has changed.
function laneOf(t, row, w) {
  const here = Math.floor(now() / (zooms[w.zoom].step)); // a live run grows
  return lazy(t.name, [t.last, t.running.length, row, w.from, w.zoom, here], () =>
    h("li", { class: "lane", "data-lane": t.name, made: (el) => watch.observe(el) },
      h("span", { class: "lane-name" }, h("a", { class: "row-link", href: to("tasks", t.name) }, t.name), h("span", { class: "hidden" }, row?.at ? `: ${summary(row, w)}` : "")),
      row?.at ? draw(t, row, w) : h("div", { class: "lane-draw faint" }, h("svg", { width: "100%", height: lane }))));
}

const behind = (row, w) => row.runs.filter((r) => within(r, w));
const skipped = (row, w) => row.slots.filter((s) => within(s, w));
const ahead = (row, w) => row.ahead.filter((s) => s.at >= Math.max(now(), w.from) && s.at <= w.to);

function summary(row, w) {
  const by = new Map();
  const add = (word, n) => by.set(word, (by.get(word) ?? 0) + n);
  for (const r of behind(row, w)) add(words(r.word), 1);
  for (const s of skipped(row, w)) add(words(s.reason), s.n);
  const next = ahead(row, w);
  if (next.length) add("to come", next.length);
  return [...by].map(([word, n]) => `${n} ${word}`).join(", ") || nothing;
}

function draw(t, row, w) {
  const x = (at) => width * Math.max(0, Math.min(1, share(at, w)));
  const here = now();
  const bars = lanes(behind(row, w).map((r) => ({ ...r, to: Math.min(r.to, here) })));
  const deep = Math.max(1, ...bars.map((b) => b.lane + 1));
  const tall = Math.max(5, Math.floor((lane - 6) / deep));
  const height = Math.max(lane, tall * deep + 6);
  const paths = new Map();
  const add = (cls, left, right, top, high) => paths.set(cls, `${paths.get(cls) ?? ""}M${left.toFixed(1)} ${top}h${Math.max(1.6, right - left).toFixed(1)}v${high}h${(-Math.max(1.6, right - left)).toFixed(1)}z`);
  for (const b of bars) add(`tone-${b.word === "running" ? "busy" : tones[b.word] ?? "calm"}`, x(b.from), x(b.to), 1 + b.lane * tall, tall - 1);
  for (const s of skipped(row, w)) add("tone-gap", x(s.from), x(s.to), height - 4, 3);
  const took = (t.last?.took ?? 0) * 1000;
  for (const s of dense(ahead(row, w).map((one) => ({ ...one, left: x(one.at), right: x(Math.min(one.at + took, w.to)) })))) {
    add(`to-come${s.held ? " held" : ""}${s.dense ? " dense" : ""}`, s.left, s.right, 4, 12);
  }
  const more = (from, to) => from < to && add("unread", x(from), x(to), height / 2 - 1, 2);
  if (row.since > w.from) more(w.from, Math.min(row.since, w.to));
  if (row.until < w.to) more(Math.max(row.until, w.from), w.to);
  const point = (e) => {
    const box = e.currentTarget.getBoundingClientRect();
    return nearest(t, row, w, w.from + ((w.to - w.from) * (e.clientX - box.left)) / box.width, (6 * (w.to - w.from)) / box.width);
  };
  const on = {
    pointermove: (e) => say(point(e)?.text ?? ""),
    pointerleave: () => say(""),
    click: (e) => { const one = point(e); if (one?.id) go(to("runs", one.id)); }, // for the mouse; the lists below have the same as links
  };
  return h("div", { class: "lane-draw" }, h("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", height, preserveAspectRatio: "none", "aria-hidden": "true", on },
    h("rect", { width, height, class: "ground" }), [...paths].map(([cls, d]) => h("path", { key: cls, class: cls, d }))));
}

// dense joins slots that are too near to each other to be told apart.
function dense(slots) {
  const joined = [];
  for (const s of slots) {
    const before = joined.at(-1);
    if (before && s.left - before.right < 3 && s.held === before.held) Object.assign(before, { right: s.right, dense: true });
    else joined.push({ ...s });
  }
  return joined;
}

function say(text) {
  if (said === text) return;
  said = text;
  changed();
}

// nearest is what stands at a moment, or not further from it than slack.
function nearest(t, row, w, at, slack) {
  const found = [
    ...behind(row, w).map((r) => ({ id: r.id, from: r.from, to: Math.min(r.to, now()), text: `${t.name}: ${words(r.word)}, ${clock(iso(r.from))}, ${length((Math.min(r.to, now()) - r.from) / 1000)}` })),
    ...skipped(row, w).map((s) => ({ from: s.from, to: s.to, text: `${t.name}: ${words(s.reason)}, ${s.n > 1 ? `${s.n} slots from ${clock(iso(s.from))} to ${clock(iso(s.to))}` : clock(iso(s.from))}` })),
    ...ahead(row, w).map((s) => ({ from: s.at, to: s.at, text: `${t.name}: to come at ${clock(iso(s.at))}${s.held ? `, but ${s.held}` : ""}` })),
  ];
  const far = (one) => Math.max(one.from - at, at - one.to, 0);
  return found.filter((one) => far(one) <= slack).sort((a, b) => far(a) - far(b))[0];
}

// ---- the same as lists

const card = (title, note, heads, rows, none) => h("section", { key: title, class: "card" }, h("div", { class: "card-head" }, h("h2", {}, title), h("span", { class: "faint" }, note)),
  rows.length ? h("div", { class: "scroll" }, h("table", { class: "plain-table" }, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows))) : h("p", { class: "faint none" }, none));

const first = (rows) => (rows.length > listed ? `the first ${listed} of ${rows.length}` : "");
const taskCell = (name) => h("td", {}, h("a", { href: to("tasks", name) }, name));

// comes lists the slots ahead in their order; a task that is due all the time is one line.
function comes(known, w) {
  const rows = known.flatMap(({ t, row }) => {
    const slots = ahead(row, w);
    return slots.length > often ? [{ ...slots[0], t, words: scheduleWords(t) }] : slots.map((s) => ({ ...s, t, words: "" }));
  }).sort((a, b) => a.at - b.at);
  return card("What comes", first(rows), ["When", "In", "Task", "Schedule"], rows.slice(0, listed).map((s) => h("tr", { key: `${s.t.name} ${s.at}` },
    h("td", { title: stamp(iso(s.at), s.t.time_zone) }, clock(iso(s.at))), h("td", { tick: () => until(iso(s.at)) }), taskCell(s.t.name),
    h("td", {}, s.words, s.held && h("span", { class: "chip" }, s.held)))), nothing);
}

function ended(known, w) {
  const rows = known.flatMap(({ t, row }) => behind(row, w).map((r) => ({ ...r, task: t.name }))).sort((a, b) => b.from - a.from);
  const beside = overlaps(rows);
  return card("What ran", first(rows), ["Began", "Took", "Task", "Outcome", "Beside"], rows.slice(0, listed).map((r) => h("tr", { key: r.id },
    h("td", { title: stamp(iso(r.from)) }, clock(iso(r.from))), h("td", {}, length((Math.min(r.to, now()) - r.from) / 1000)), taskCell(r.task),
    h("td", {}, h("a", { class: "quiet", href: to("runs", r.id) }, outcomeMark(r.word))), h("td", {}, beside.get(r.id) || ""))), nothing);
}

// overlaps says beside how many other runs each of them went on.
function overlaps(rows) {
  const starts = rows.map((r) => r.from).sort((a, b) => a - b);
  const ends = rows.map((r) => r.to).sort((a, b) => a - b);
  const below = (sorted, v, equal) => {
    let low = 0;
    for (let high = sorted.length; low < high;) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < v || (equal && sorted[middle] === v)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return new Map(rows.map((r) => [r.id, Math.max(0, below(starts, r.to, false) - below(ends, r.from, true) - 1)]));
}

function held(known, w) {
  const rows = known.flatMap(({ t, row }) => skipped(row, w).map((s) => ({ ...s, task: t.name }))).sort((a, b) => b.from - a.from);
  return card("What did not run", first(rows), ["Slot", "Task", "Why"], rows.slice(0, listed).map((s) => h("tr", { key: `${s.task} ${s.from} ${s.reason}` },
    h("td", {}, clock(iso(s.from)), s.n > 1 && h("span", { class: "sub" }, `to ${clock(iso(s.to))}, ${count(s.n, "slot")}`)), taskCell(s.task),
    h("td", {}, words(s.reason), s.by && (/^[0-9a-z]{26}$/.test(s.by) ? [" by ", h("a", { href: to("runs", s.by) }, "a run")] : ` by ${s.by}`)))), "every slot ran");
}
