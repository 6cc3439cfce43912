// Published state: values as text, and numbers as a line of what they were since the page was opened.

import { h } from "../dom.js";
import { get, path } from "../api.js";
import { ago, stamp } from "../format.js";
import { resource } from "./resource.js";

const most = 120;

// published follows what a task publishes, and remembers its numbers.
export function published(name) {
  return resource(async (before) => {
    const { values } = await get(path`v1/tasks/${name}/state`);
    const seen = before?.seen ?? new Map();
    for (const [key, v] of Object.entries(values)) {
      if (typeof v.value !== "number") continue;
      const points = seen.get(key) ?? [];
      if (points.at(-1)?.at !== v.at) seen.set(key, [...points.slice(1 - most), { at: v.at, y: v.value }]);
    }
    return { values, seen };
  }, (e) => e.task === name && e.topic === "state");
}

export function spark(points) {
  if (points.length < 2) return null;
  const ys = points.map((p) => p.y);
  const low = Math.min(...ys);
  const high = Math.max(...ys);
  const y = (v) => (high === low ? 12 : 22 - (20 * (v - low)) / (high - low));
  const x = (i) => (i * 160) / (points.length - 1);
  return h("svg", { class: "spark", viewBox: "0 0 160 24", preserveAspectRatio: "none", role: "img", "aria-label": `${points.length} values from ${low} to ${high}` },
    h("polyline", { points: ys.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(" ") }));
}

const shown = (v) => (typeof v === "string" ? v : typeof v === "number" ? v.toLocaleString("en", { maximumFractionDigits: 6 }) : JSON.stringify(v, null, 1));

export function stateTable(of) {
  const keys = Object.keys(of.value?.values ?? {}).sort();
  if (!keys.length) return null;
  return h("section", { key: "state", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "State")),
    h("table", { class: "plain-table" }, h("tbody", {}, keys.map((key) => {
      const v = of.value.values[key];
      return h("tr", { key }, h("th", { scope: "row" }, key), h("td", { class: "value" }, shown(v.value)),
        h("td", {}, spark(of.value.seen.get(key) ?? [])), h("td", { class: "faint", title: stamp(v.at), tick: () => ago(v.at) }));
    }))));
}
