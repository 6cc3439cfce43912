// What a plan, or the difference of two generations, says: the tasks with what changes of them, then everything else.

import { h } from "../dom.js";
import { count, stamp } from "../format.js";
import { to } from "../router.js";
import { words } from "./state.js";

const tones = { live: "good", next_run: "calm", restart: "warn", added: "busy", removed: "bad", renamed: "warn", no_change: "off" };

const mark = (change) => h("span", { class: `change tone-${tones[change] ?? "calm"}` }, words(change));

const text = (v) => (typeof v === "string" ? v : Array.isArray(v) && v.length === 1 ? text(v[0]) : JSON.stringify(v));

const shown = (v) => (v === null || v === undefined ? h("i", { class: "faint" }, "none") : h("code", {}, text(v)));

const attribute = (a) => h("li", { key: a.path },
  h("b", {}, a.path), " ", shown(a.old), " → ", shown(a.new),
  h("span", { class: "faint" }, [` ${words(a.class)}`, a.note].filter(Boolean).join("; ")));

const attributes = (list) => (list?.length ? h("ul", { class: "attributes" }, list.map(attribute)) : null);

const times = (list) => list.map((at) => stamp(at).slice(0, 16)).join(", ");

function slots(t) {
  if (!t.slots_before && !t.slots_after) return null;
  return h("dl", { class: "slots-of" },
    h("dt", {}, "Next slots now"), h("dd", {}, t.slots_before ? times(t.slots_before) : "none"),
    h("dt", {}, "Then"), h("dd", {}, t.slots_after ? times(t.slots_after) : "none"));
}

const runs = (list) => (list?.length ? h("ul", { class: "attributes" }, list.map((r) =>
  h("li", { key: r.id }, h("a", { href: to("runs", r.id) }, `run ${r.id.slice(-6)}`), ` (${words(r.state)}): ${words(r.effect)}`))) : null);

const taskRow = (t) => h("tr", { key: t.task },
  h("th", { scope: "row" }, t.change === "added" || t.change === "removed" ? t.task : h("a", { href: to("tasks", t.task) }, t.task), t.from && h("span", { class: "sub" }, `was ${t.from}`)),
  h("td", {}, mark(t.change)),
  h("td", { class: "what" }, attributes(t.attributes), slots(t), runs(t.runs)));

const itemRow = (kind) => (one) => h("tr", { key: `${kind} ${one.name}` },
  h("th", { scope: "row" }, kind && h("span", { class: "faint" }, `${kind} `), one.name), h("td", {}, mark(one.change)), h("td", { class: "what" }, attributes(one.attributes)));

const versions = (b) => [b.old_digest && `${b.old_version ?? ""} ${b.old_digest.slice(0, 12)}`, b.new_digest && `${b.new_version ?? ""} ${b.new_digest.slice(0, 12)}`].filter(Boolean).join(" → ");

const binaryRow = (b) => h("tr", { key: `plugin ${b.name}` },
  h("th", { scope: "row" }, h("span", { class: "faint" }, "plugin "), b.name), h("td", {}, mark(b.change)),
  h("td", { class: "what" }, h("span", { class: "mono" }, versions(b)), b.tasks.length > 0 && h("span", { class: "faint" }, ` used by ${b.tasks.join(", ")}`)));

// changes is a table of what differs, and what stays as it is in one line.
export function changes(p) {
  const other = p.tasks.filter((t) => t.change !== "no_change");
  const same = p.tasks.filter((t) => t.change === "no_change");
  const rows = [...other.map(taskRow), ...p.groups.map(itemRow("group")), ...p.queues.map(itemRow("queue")), ...p.notices.map(itemRow("")), ...p.plugins.map(binaryRow)];
  if (p.host.length) rows.push(h("tr", { key: "host" }, h("th", { scope: "row" }, "host"), h("td", {}, mark("restart")), h("td", { class: "what" }, attributes(p.host), h("span", { class: "faint" }, "when the host is started again"))));
  return [
    rows.length > 0 && h("div", { class: "scroll" }, h("table", { class: "plain-table changes" },
      h("thead", {}, h("tr", {}, ["What", "Change", "How"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows))),
    same.length > 0 && h("details", {}, h("summary", {}, `${count(same.length, "task")}: no change`), h("p", { class: "faint" }, same.map((t) => t.task).join(", "))),
  ];
}
