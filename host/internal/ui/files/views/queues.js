// Queues: how much is in them and for how long, who fills and empties them, and what was given up.

import { h } from "../dom.js";
import { get, path } from "../api.js";
import { changed, mayAct, mayRule, state } from "../store.js";
import { to } from "../router.js";
import { ago, bytes, count, length, rate, stamp } from "../format.js";
import { resource, resources, release } from "../parts/resource.js";
import { askPurge, redrive } from "../parts/overlay.js";

const full = (q) => q.bounds.max_messages > 0 && h("progress", { max: q.bounds.max_messages, value: Math.min(q.depth, q.bounds.max_messages), "aria-label": `${q.depth} of ${q.bounds.max_messages} messages` });

export function queues() {
  release();
  const heads = ["Queue", "Messages", "Oldest", "Dead letters", "In flight", "In", "Out", "From", "To"];
  return h("main", { key: "queues", id: "main", tabindex: "-1" }, h("h1", {}, "Queues"),
    state.queues.length ? h("div", { class: "card scroll" }, h("table", { class: "plain-table wide-table" },
      h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, state.queues.map(row)))) : empty());
}

const empty = () => h("div", { class: "empty" }, h("h2", {}, "No queue yet"),
  h("p", {}, "A queue keeps messages on the disk until a task has handled them. Declare one, and a task that consumes it:"),
  h("pre", { tabindex: "0" }, 'queue "orders" {}\n\ntask "notify" {\n  plugin = "http"\n  type   = "forward"\n  continuous {}\n  consume "orders" {}\n  config {\n    url = "https://example.org/orders"\n  }\n}'));

const taskLinks = (names) => (names.length ? names.map((n, i) => [i > 0 && ", ", h("a", { href: to("tasks", n) }, n)]) : "–");
const consumers = (q) => [...new Set(q.consumers.map((c) => c.task))];

function row(q) {
  return h("tr", { key: q.name },
    h("th", { scope: "row" }, h("a", { class: "row-link", href: to("queues", q.name) }, q.name), !q.declared && h("span", { class: "chip" }, "not declared"), h("span", { class: "sub" }, q.description)),
    h("td", {}, q.depth.toLocaleString("en"), h("span", { class: "sub" }, bytes(q.bytes)), full(q)),
    h("td", {}, q.oldest_at ? h("span", { title: stamp(q.oldest_at), tick: () => ago(q.oldest_at) }) : "–"),
    h("td", {}, q.dead_letters ? h("span", { class: "badge" }, q.dead_letters) : "0"),
    h("td", {}, q.in_flight), h("td", {}, rate(q.rates.in) || "–"), h("td", {}, rate(q.rates.out) || "–"),
    h("td", {}, taskLinks(q.producers)), h("td", {}, taskLinks(consumers(q))));
}

export function queue(name) {
  const q = state.queues.find((one) => one.name === name);
  // Events of queues do not name them; the counts do change when messages come and go.
  const wants = (e) => e.topic === "queue" || e.topic === "run";
  const of = resources(`queue ${name}`, () => ({
    messages: resource(() => get(path`v1/queues/${name}/messages` + "?limit=20"), wants),
    dead: resource(() => get(path`v1/queues/${name}/dead-letters` + "?limit=50"), wants),
  }));
  if (!q) return h("main", { key: `queue ${name}`, id: "main", tabindex: "-1" }, h("h1", {}, name), h("p", { class: "empty" }, "There is no such queue."));
  return h("main", { key: `queue ${name}`, id: "main", class: "task", tabindex: "-1" },
    h("div", { class: "title" }, h("div", {}, h("h1", {}, name), h("p", { class: "faint" }, q.description))),
    h("div", { class: "columns" },
      h("div", { class: "column" }, facts(q), list("Messages", of.messages, (m) => messageRow(m), purgeButton(q, false, of))),
      h("div", { class: "column" }, list("Dead letters", of.dead, (m) => deadRow(name, m, of), [
        mayAct() && q.dead_letters > 0 && h("button", { type: "button", on: { click: () => askAll(q, of) } }, "Redrive all"), purgeButton(q, true, of)]))));
}

const purgeButton = (q, dead, of) => mayRule() && (dead ? q.dead_letters : q.depth) > 0 &&
  h("button", { type: "button", class: "hard", on: { click: () => askPurge(q, dead, () => { of.messages.again(); of.dead.again(); }) } }, dead ? "Purge dead letters…" : "Purge…");

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function facts(q) {
  return h("section", { key: "facts", class: "card" }, h("dl", { class: "facts" },
    fact("Messages", `${q.depth.toLocaleString("en")} of ${q.bounds.max_messages.toLocaleString("en")}`, full(q)),
    fact("Ready, delayed, in flight", `${q.ready}, ${q.delayed}, ${q.in_flight}`),
    fact("Oldest", q.oldest_at ? h("span", { title: stamp(q.oldest_at), tick: () => ago(q.oldest_at) }) : "–"),
    fact("In and out", `${rate(q.rates.in) || "–"}, ${rate(q.rates.out) || "–"}`),
    fact("Since the host started", `${count(q.counts.posted, "post")}, ${q.counts.acknowledged.toLocaleString("en")} handled, ${count(q.counts.failed_deliveries, "failed delivery").replace(/ys$/, "ies")}`),
    fact("Deliveries of one", `at most ${q.bounds.max_deliveries}, ${length(q.bounds.backoff)} apart at first`),
    fact("When full", q.bounds.overflow.replaceAll("_", " ")),
    fact("From", taskLinks(q.producers)), fact("To", taskLinks(consumers(q)))));
}

function list(title, of, rowOf, button) {
  const items = of.value?.items ?? [];
  return h("section", { key: title, class: "card" }, h("div", { class: "card-head" }, h("h2", {}, title), of.value?.next_cursor && h("span", { class: "faint" }, `the first ${items.length}`), h("span", { class: "spacer" }), button),
    of.error && h("p", { class: "error" }, of.error.text ?? of.error.message),
    items.length ? h("ul", { class: "messages" }, items.map(rowOf)) : h("p", { class: "faint none" }, of.value ? "none" : "reading…"));
}

const body = (m) => h("pre", { tabindex: "0" }, m.value === undefined ? `${bytes(m.size)}` : JSON.stringify(m.value, null, 1).slice(0, 4000));

function messageRow(m) {
  return h("li", { key: m.id }, h("p", {}, h("span", { class: "mono" }, m.id), " ", h("span", { class: "faint" }, [m.key && `key ${m.key}`, m.attempts > 0 && count(m.attempts, "attempt"), m.source].filter(Boolean).join(", "), " "),
    h("span", { class: "faint", title: stamp(m.posted_at), tick: () => ago(m.posted_at) })), body(m), m.last_error && h("p", { class: "error" }, m.last_error));
}

function deadRow(name, m, of) {
  const again = async () => {
    await redrive(name, { ids: [m.id] });
    of.dead.again();
    of.messages.again();
  };
  return h("li", { key: m.id }, h("p", {}, h("span", { class: "mono" }, m.id), " ", h("span", { class: "chip" }, m.reason), h("span", { class: "faint", title: stamp(m.died_at), tick: () => ` ${ago(m.died_at)}, ` }), h("span", { class: "faint" }, count(m.attempts, "attempt")),
    mayAct() && h("button", { type: "button", class: "row-button", "aria-label": `redrive ${m.id}`, on: { click: again } }, "Redrive")),
  m.last_error && h("p", { class: "error" }, m.last_error), body(m));
}

function askAll(q, of) {
  state.dialog = {
    kind: "sure", title: `Redrive ${count(q.dead_letters, "dead letter")} of ${q.name}?`, text: "Each becomes a message again, with a new id, and is handed out as one that has just come.", button: "Redrive all",
    act: async () => {
      await redrive(q.name, { all: true });
      of.dead.again();
      of.messages.again();
    },
  };
  changed();
}
