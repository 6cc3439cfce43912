// The pipeline: which tasks fill which queues and which empty them, what waits between them, and the same as a table.

import { h } from "../dom.js";
import { state } from "../store.js";
import { to } from "../router.js";
import { ago, count, ms, now, rate, stamp, whole } from "../format.js";
import { layers } from "../parts/layers.js";
import { release } from "../parts/resource.js";
import { states, tones, words } from "../parts/state.js";

const size = { wide: 170, tall: 52, across: 82, between: 22 };
const margin = 12;

// graph is what the configuration wires: blocks and queues, and who gives what to whom. Instances of a block are one node.
function graph() {
  const blocks = new Map();
  for (const t of state.tasks.values()) {
    if (!blocks.has(t.block)) blocks.set(t.block, []);
    blocks.get(t.block).push(t);
  }
  const blockOf = (name) => state.tasks.get(name)?.block ?? name;
  const edges = new Map();
  const add = (from, to, kind, queue) => edges.set(`${from} ${to}`, { from, to, kind, queue });
  for (const q of state.queues) {
    for (const name of q.producers) add(`task ${blockOf(name)}`, `queue ${q.name}`, "in", q);
    for (const { task } of q.consumers) add(`queue ${q.name}`, `task ${blockOf(task)}`, "out", q);
  }
  for (const [block, [t]] of blocks) {
    const q = state.queues.find((one) => one.name === t.consumes);
    if (q) add(`queue ${q.name}`, `task ${block}`, "out", q);
    for (const one of t.after_run ?? []) add(`task ${blockOf(one.task)}`, `task ${block}`, "after", null);
  }
  const touched = new Set([...edges.values()].flatMap((e) => [e.from, e.to]));
  const nodes = [
    ...[...blocks].filter(([block]) => touched.has(`task ${block}`)).map(([block, tasks]) => ({ id: `task ${block}`, name: block, tasks })),
    ...state.queues.map((q) => ({ id: `queue ${q.name}`, name: q.name, queue: q })),
  ];
  return { nodes, edges: [...edges.values()], alone: state.tasks.size - nodes.reduce((n, one) => n + (one.tasks?.length ?? 0), 0) };
}

let laid = { key: "", value: null };

// places are made anew only when the wiring has changed, not when numbers have.
function places({ nodes, edges }) {
  const key = JSON.stringify([nodes.map((n) => n.id), edges.map((e) => [e.from, e.to])]);
  if (laid.key !== key) laid = { key, value: layers(nodes, edges, size) };
  return laid.value;
}

export function pipeline() {
  release();
  const g = graph();
  const main = (...inner) => h("main", { key: "pipeline", id: "main", tabindex: "-1" }, h("h1", {}, "Pipeline"), inner);
  if (!g.nodes.length) return main(empty());
  return main(
    h("section", { class: "card graph-card", "aria-label": "graph of tasks and queues" }, drawing(g)),
    g.alone > 0 && h("p", { class: "faint aside" }, `${count(g.alone, "task")} on no queue and after no other: `, h("a", { href: to() }, "all tasks")),
    h("section", { class: "card", "aria-label": "the same as a table" }, table(g)));
}

const empty = () => h("div", { class: "empty" }, h("h2", {}, "Nothing is wired yet"),
  h("p", {}, "A queue carries messages from one task to the next. This task is run by every message that is posted to the queue:"),
  h("pre", { tabindex: "0" }, 'queue "orders" {}\n\ntask "handle" {\n  plugin = "exec"\n  continuous {}\n  consume "orders" {}\n  config {\n    shell = "cat"\n  }\n}'),
  h("p", {}, h("code", {}, "taskhost queue post orders '{\"item\":\"tea\"}'"), " puts one in."));

// ---- the drawing

function drawing(g) {
  const laid = places(g);
  const place = new Map(laid.nodes.map((n) => [n.id, n]));
  const edges = new Map(g.edges.map((e) => [`${e.from} ${e.to}`, e]));
  const width = laid.width + 2 * margin;
  const height = laid.height + 2 * margin;
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "graph, left to right" },
    h("svg", { class: "graph", viewBox: `${-margin} ${-margin} ${width} ${height}`, width, height },
      h("defs", {}, h("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" }, h("path", { d: "M0 0L8 4L0 8z" }))),
      laid.edges.map((e) => edge(e, edges.get(`${e.from} ${e.to}`))),
      g.nodes.map((n) => (n.queue ? queueNode(n, place.get(n.id)) : taskNode(n, place.get(n.id))))));
}

const bent = ([x, y], i, all) => (i === 0 ? `M${x} ${y}` : `C${(x + all[i - 1][0]) / 2} ${all[i - 1][1]} ${(x + all[i - 1][0]) / 2} ${y} ${x} ${y}`);

// lowered moves the ends of an edge that runs back below those that run on.
const lowered = (points) => points.map(([x, y], i) => [x, i === 0 || i === points.length - 1 ? y + size.tall / 3 : y]);

function edge(place, e) {
  const points = place.back ? lowered(place.points) : place.points;
  const [x, y] = labelAt(points);
  const q = e.queue;
  const text = e.kind === "in" ? rate(q.rates.in) : e.kind === "after" ? "after run" : waiting(q) ? waiting(q).toLocaleString("en") : "";
  const heavy = e.kind === "out" && waiting(q) ? ` heavy-${Math.min(3, Math.floor(Math.log10(waiting(q))))}` : "";
  return h("g", { key: `${e.from} ${e.to}`, class: `edge edge-${e.kind}${heavy}` },
    h("path", { d: points.map(bent).join(""), "marker-end": "url(#arrow)" }),
    text && h("text", { x, y: y - 5 }, text),
    e.kind === "out" && q.oldest_at && h("text", { class: "age", x, y: y + 13, tick: () => age(q) }));
}

// labelAt is the middle of the first piece: beside the node that it leaves.
const labelAt = ([[x0, y0], [x1, y1]]) => [(x0 + x1) / 2, (y0 + y1) / 2];
const waiting = (q) => q.ready + q.delayed;
const age = (q) => (q.oldest_at ? whole((now() - ms(q.oldest_at)) / 1000).split(" ").slice(0, 2).join(" ") : ""); // in its largest unit
const cut = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

const node = (n, { x, y }, href, label, cls, ...inner) =>
  h("a", { key: n.id, href, class: `node ${cls}`, transform: `translate(${x} ${y})`, "data-node": n.id }, h("title", {}, label), inner);

// worst is the state of a block that a person wants to see first.
const worst = (tasks) => states.find((s) => tasks.some((t) => t.state === s)) ?? tasks[0].state;

function taskNode(n, place) {
  const many = n.tasks.length > 1;
  const word = worst(n.tasks);
  const held = n.tasks.every((t) => t.paused) ? ", paused" : "";
  const href = many ? `${to()}?q=${encodeURIComponent(n.name)}` : to("tasks", n.tasks[0].name);
  return node(n, place, href, `task ${n.name}${many ? `, ${n.tasks.length} instances` : ""}: ${words(word)}${held}`, "node-task",
    h("rect", { width: size.wide, height: size.tall, rx: 7 }),
    h("rect", { width: 5, height: size.tall, rx: 2, class: `side tone-${tones[word] ?? "calm"}` }),
    h("text", { class: "name", x: 16, y: 22 }, cut(n.name, many ? 15 : 19)),
    many && h("text", { class: "many", x: size.wide - 10, y: 22 }, `×${n.tasks.length}`),
    h("text", { class: "says", x: 16, y: 40 }, words(word) + held));
}

function queueNode(n, place) {
  const q = n.queue;
  const full = q.bounds.max_messages > 0 ? Math.min(1, q.depth / q.bounds.max_messages) : 0;
  const dead = q.dead_letters;
  const label = `queue ${q.name}: ${count(q.depth, "message")}${dead ? `, ${count(dead, "dead letter")}` : ""}`;
  return node(n, place, to("queues", q.name), label, "node-queue",
    h("rect", { width: size.wide, height: size.tall, rx: size.tall / 2 }),
    full > 0 && h("rect", { class: full >= 0.8 ? "fill near-full" : "fill", x: 22, y: size.tall - 7, width: Math.max(2, full * (size.wide - 44)).toFixed(1), height: 3 }),
    h("text", { class: "name", x: 22, y: 22 }, cut(q.name, 17)),
    h("text", { class: "says", x: 22, y: 40 }, q.depth ? `${count(q.depth, "message")}${q.in_flight ? `, ${q.in_flight} in flight` : ""}` : "empty"),
    dead > 0 && h("g", { class: "dead", transform: `translate(${size.wide - 66} -9)` }, h("rect", { width: 50, height: 18, rx: 9 }), h("text", { x: 25, y: 13 }, `${dead > 999 ? "999+" : dead} dead`)));
}

// ---- the table

function table(g) {
  const name = (id) => id.slice(id.indexOf(" ") + 1);
  const link = (id) => h("a", { href: id.startsWith("queue ") ? to("queues", name(id)) : state.tasks.has(name(id)) ? to("tasks", name(id)) : `${to()}?q=${encodeURIComponent(name(id))}` }, id);
  const cells = (e) => {
    const q = e.queue;
    if (e.kind === "after") return [h("td", { colspan: 4 }, "one run after each of its runs")];
    if (e.kind === "in") return [h("td", { colspan: 3 }, rate(q.rates.in) ? `puts in, ${rate(q.rates.in)} in all` : "puts in"), dead(q)];
    return [h("td", {}, waiting(q).toLocaleString("en")), h("td", {}, q.oldest_at ? h("span", { title: stamp(q.oldest_at), tick: () => ago(q.oldest_at) }) : "–"), h("td", {}, q.in_flight), dead(q)];
  };
  const dead = (q) => h("td", {}, q.dead_letters ? h("a", { class: "badge", href: to("queues", q.name) }, q.dead_letters) : "0");
  const rows = g.edges.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : a.to < b.to ? -1 : 1));
  const loose = g.nodes.filter((n) => n.queue && !g.edges.some((e) => e.from === n.id || e.to === n.id));
  return h("div", { class: "scroll" }, h("table", { class: "plain-table" }, h("caption", { class: "hidden" }, "who gives what to whom"),
    h("thead", {}, h("tr", {}, ["From", "To", "Waiting", "Oldest", "In flight", "Dead letters"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((e) => h("tr", { key: `${e.from} ${e.to}` }, h("th", { scope: "row" }, link(e.from)), h("td", {}, link(e.to)), cells(e))),
      loose.map((n) => h("tr", { key: n.id }, h("th", { scope: "row" }, link(n.id)), h("td", { class: "faint" }, "nobody"), cells({ kind: "out", queue: n.queue }))))));
}
