// The configuration: which one holds, what the files would change, and those that held before.

import { h } from "../dom.js";
import { get, post } from "../api.js";
import { changed, mayAct, mayRule, notice, state } from "../store.js";
import { route, setQuery, to } from "../router.js";
import { ago, count, stamp } from "../format.js";
import { words } from "../parts/state.js";
import { changes } from "../parts/changes.js";
import { diagnostics } from "../parts/diagnostics.js";
import { closeDialog, closer, frame, submit } from "../parts/overlay.js";
import { resource, resources } from "../parts/resource.js";

const look = 10000; // ms: no event says that a file has changed
const patience = 180000; // ms that an apply may take: tasks that restart are drained

const wants = (e) => e.topic === "config";

function parts() {
  return {
    config: resource(() => get("v1/config", 30000), wants, look),
    generations: resource(() => get("v1/config/generations"), wants),
    difference: resource(readDifference, wants),
    work: { plan: null, error: null, busy: "", back: 0, pair: "" }, // back: the generation that the plan goes back to; pair: those that are compared
  };
}

function readDifference() {
  const { query } = route();
  const [from, until] = [Number(query.get("from")), Number(query.get("to"))];
  return from && until ? get(`v1/config/generations/${from}/diff?to=${until}`) : null;
}

export function configuration() {
  const of = resources("config", parts);
  const c = of.config.value;
  return h("main", { key: "config", id: "main", class: "task", tabindex: "-1" },
    h("div", { class: "title" },
      h("div", {}, h("h1", {}, "Configuration"), c && h("p", { class: "faint" }, `generation ${c.generation}, `, origin(c), " ", h("span", { title: stamp(c.applied_at), tick: () => ago(c.applied_at) }))),
      h("div", { class: "c-actions" }, mayAct() && h("button", { type: "button", disabled: Boolean(of.work.busy), on: { click: () => plan(of) } }, of.work.busy === "plan" ? "Planning…" : "Plan"))),
    of.config.error && h("p", { class: "why bad" }, of.config.error.text ?? of.config.error.message),
    c && [drift(c), lastReload(c)],
    h("div", { class: "columns wide-left" },
      h("div", { class: "column" }, planCard(of), differenceCard(of), generationsCard(of)),
      h("div", { class: "column" }, c && facts(c))));
}

const origin = (g) => [{ start: "read at the start", reload: "by a reload", rollback: `by a rollback to generation ${g.of}` }[g.how] ?? g.how, g.by && ` of ${g.by}`].filter(Boolean).join("");

// drift says what on the disk, or in the host block, is not what holds.
function drift(c) {
  const lines = [];
  if (c.drift.files.length) lines.push(["Changed on the disk since it was read: ", h("b", { class: "mono" }, c.drift.files.join(", "))]);
  if (c.drift.plugins.length) lines.push(["The binary on the disk is another one: ", h("b", {}, c.drift.plugins.join(", "))]);
  for (const p of c.pending_host) lines.push([h("b", { class: "mono" }, `host.${p.path}`), " takes effect when the host is started again"]);
  return lines.length ? lines.map((text, i) => h("p", { key: `drift ${i}`, class: "why" }, text)) : h("p", { class: "why good" }, "What holds is what the files say.");
}

function lastReload(c) {
  const r = c.last_reload;
  if (!r || r.ok) return null;
  return h("section", { key: "reload", class: "card failed-reload", "aria-label": "the last reload failed" },
    h("div", { class: "card-head" }, h("h2", {}, `The last ${words(r.how)} failed`), h("span", { class: "faint", title: stamp(r.at), tick: () => `${ago(r.at)}, by ${r.by}` })),
    h("p", {}, `Nothing was changed: generation ${r.generation} goes on.`),
    r.diagnostics?.length ? diagnostics(r.diagnostics) : h("p", { class: "error" }, r.error));
}

// ---- plan and apply

async function plan(of, back = 0) {
  Object.assign(of.work, { plan: null, error: null, busy: "plan", back });
  changed();
  try {
    of.work.plan = (await post("v1/config/plan", back ? { generation: back } : {})).value;
  } catch (err) {
    of.work.error = err;
  }
  of.work.busy = "";
  changed();
}

function planCard(of) {
  const { plan: p, error, busy, back } = of.work;
  if (!p && !error) return null;
  return h("section", { key: "plan", class: "card plan", role: "region", "aria-label": "plan" },
    h("div", { class: "card-head" }, h("h2", {}, back ? `Going back to generation ${back}` : "Plan"),
      p && h("span", { class: "faint" }, p.changed ? p.summary : "nothing would change"), h("span", { class: "spacer" }),
      p?.changed && mayRule() && h("button", { type: "button", class: "main", disabled: Boolean(busy), on: { click: () => ask(of) } }, busy === "apply" ? "Applying…" : back ? "Roll back…" : "Apply…")),
    error && [h("p", { class: "error", role: "alert" }, error.diagnostics?.length ? error.message.split(":")[0] : error.text ?? error.message), diagnostics(error.diagnostics)],
    p && [changes(p), p.warnings.length > 0 && h("details", {}, h("summary", {}, count(p.warnings.length, "warning")), diagnostics(p.warnings))]);
}

const numberOf = (p, change) => p.tasks.filter((t) => t.change === change).length;

function ask(of) {
  const { plan: p, back } = of.work;
  const touched = [["restart", "will be drained and started anew"], ["removed", "will be drained, and its history stays"]]
    .filter(([change]) => numberOf(p, change)).map(([change, what]) => `${count(numberOf(p, change), "task")} ${what}`).join("; ");
  state.dialog = {
    kind: "apply",
    view: (d) => frame(d, back ? `Roll back to generation ${back}?` : "Apply this plan?",
      h("p", {}, `${p.summary}. ${touched || "No task is interrupted"}.`),
      h("form", { on: { submit: submit((form) => { closeDialog(); apply(of, form.get("reason")); }) } },
        h("label", {}, "Why", h("input", { name: "reason", maxlength: 200, autofocus: true, autocomplete: "off" })),
        h("div", { class: "choices" }, closer(), h("button", { type: "submit" }, back ? "Roll back" : "Apply")))),
  };
  changed();
}

// apply does what the plan showed, or nothing: another generation or other files are refused by the host.
async function apply(of, reason) {
  const { plan: p, back } = of.work;
  of.work.busy = "apply";
  changed();
  try {
    const body = back ? { generation: back, reason } : { plan_id: p.id, reason };
    const { value } = await post(`v1/config/${back ? "rollback" : "apply"}`, body, patience, { "If-Match": `"${p.generation}"` });
    notice(value.changed ? `generation ${value.generation} holds: ${value.plan.summary}` : "nothing has changed");
    Object.assign(of.work, { plan: null, back: 0 });
  } catch (err) {
    notice(`${back ? "roll back" : "apply"} failed: ${err.text ?? err.message}`, true);
    Object.assign(of.work, { plan: null, error: err });
  }
  of.work.busy = "";
  for (const r of [of.config, of.generations]) r.again();
  changed();
}

// ---- generations

function generationsCard(of) {
  const all = of.generations.value?.items ?? [];
  return h("section", { key: "generations", class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "Generations"), h("span", { class: "spacer" }), all.length > 1 && choice(all)),
    of.generations.error && h("p", { class: "error" }, of.generations.error.text ?? of.generations.error.message),
    h("div", { class: "scroll" }, h("table", { class: "plain-table generations" },
      h("thead", {}, h("tr", {}, ["Number", "Applied", "How", "What changed", ""].map((text) => h("th", { scope: "col" }, text || h("span", { class: "hidden" }, "actions"))))),
      h("tbody", {}, all.map((g) => generationRow(of, g))))));
}

function generationRow(of, g) {
  return h("tr", { key: g.generation },
    h("th", { scope: "row" }, g.generation, g.holds && h("span", { class: "chip good" }, "holds")),
    h("td", { title: stamp(g.applied_at), tick: () => ago(g.applied_at) }),
    h("td", {}, origin(g)),
    h("td", { class: "what" }, g.summary || h("span", { class: "faint" }, "–"), g.reason && h("span", { class: "sub" }, `“${g.reason}”`)),
    h("td", {}, mayAct() && !g.holds && (g.files
      ? h("button", { type: "button", "aria-label": `plan going back to generation ${g.generation}`, disabled: Boolean(of.work.busy), on: { click: () => plan(of, g.generation) } }, "Plan going back")
      : h("span", { class: "faint" }, "files not kept"))));
}

function choice(all) {
  const { query } = route();
  const select = (name, label) => h("select", { "aria-label": label, on: { change: (e) => setQuery({ [name]: e.currentTarget.value }) } },
    ["", ...all.map((g) => String(g.generation))].map((n) => h("option", { value: n, selected: n === (query.get(name) ?? "") }, n || label)));
  return h("span", { class: "pair" }, "Difference ", select("from", "from"), " ", select("to", "to"));
}

function differenceCard(of) {
  const { query } = route();
  const [from, until] = [query.get("from"), query.get("to")];
  if (!from || !until) return null;
  const pair = `${from} ${until}`;
  if (of.work.pair !== pair) of.difference.again(); // the address names other ones
  of.work.pair = pair;
  const d = of.difference.value;
  const fits = d && String(d.from) === from && String(d.to) === until;
  return h("section", { key: "difference", class: "card", "aria-label": `difference of generations ${from} and ${until}` },
    h("div", { class: "card-head" }, h("h2", {}, `From generation ${from} to ${until}`), fits && h("span", { class: "faint" }, d.summary || "no difference"), h("span", { class: "spacer" }),
      h("button", { type: "button", on: { click: () => setQuery({ from: "", to: "" }) } }, "Close")),
    of.difference.error ? h("p", { class: "error" }, of.difference.error.text ?? of.difference.error.message) : fits ? changes(d) : h("p", { class: "faint" }, "reading…"));
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function facts(c) {
  return h("section", { key: "facts", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "What holds")), h("dl", { class: "facts" },
    fact("Tasks", c.tasks), fact("Groups", c.groups), fact("Queues", c.queues),
    h("div", { class: "wide" }, h("dt", {}, "Digest"), h("dd", { class: "mono" }, c.digest)),
    h("div", { class: "wide" }, h("dt", {}, "Files"), h("dd", {}, h("ul", { class: "attributes mono" }, c.files.map((f) => h("li", { key: f }, f))))),
    h("div", { class: "wide" }, h("dt", {}, "Plugins"), h("dd", {}, c.plugins.map((p) => h("div", { key: p.name },
      h("a", { href: to("plugins", p.name) }, p.name), h("span", { class: "faint mono" }, ` ${[p.version, p.digest?.slice(0, 12)].filter(Boolean).join(" · ")}`)))))));
}
