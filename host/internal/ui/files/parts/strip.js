// The heat strip: one bar for each of the last runs, as high as it was long, in the colour of its outcome, and a gap
// for slots that did not run. It is read when its row comes into view, and again when a run has ended.

import { h } from "../dom.js";
import { get, path } from "../api.js";
import { changed } from "../store.js";
import { count, length, ms, stamp } from "../format.js";
import { tones, words } from "./state.js";

const most = 50;
const fresh = 5000; // ms for which a strip is not read again
const atOnce = 3;
const strips = new Map(); // task → {runs, slots, at, stale}
const waiting = new Set();
let busy = 0;

export const stripOf = (name) => strips.get(name);

// want asks for the strip of a task: a new one, or a newer one when something has ended.
export function want(name, periodic, again = false) {
  const one = strips.get(name) ?? { runs: [], slots: [], at: 0, stale: true, periodic };
  one.stale ||= again;
  strips.set(name, one);
  if (!one.stale || waiting.has(name)) return;
  waiting.add(name);
  setTimeout(next, Math.max(0, one.at + fresh - Date.now()));
}

async function next() {
  if (busy >= atOnce) return;
  for (const name of waiting) {
    const one = strips.get(name);
    if (Date.now() < one.at + fresh) continue;
    waiting.delete(name);
    busy++;
    await load(name, one);
    busy--;
    changed();
    next();
    return;
  }
}

async function load(name, one) {
  one.at = Date.now();
  one.stale = false;
  try {
    const [runs, slots] = await Promise.all([
      get(path`v1/tasks/${name}/runs` + `?limit=${most}`),
      one.periodic ? get(path`v1/tasks/${name}/slots` + "?limit=20") : { items: [] },
    ]);
    strips.set(name, { ...one, runs: runs.items, slots: slots.items });
  } catch {
    one.stale = true; // the connection says what is wrong
  }
}

// cells are the runs and gaps, oldest first.
export function cells(one) {
  const all = one.runs.map((r) => ({
    at: ms(r.slot ?? r.started_at ?? r.queued_at), id: r.id, word: r.state === "ended" ? r.outcome : r.state, took: r.duration ?? 0,
  }));
  const oldest = Math.min(...all.map((c) => c.at));
  for (const s of one.slots) {
    if (!all.length || ms(s.last) >= oldest) all.push({ at: ms(s.last), word: "missed", reason: s.reason, n: s.count, took: 0 });
  }
  return all.sort((a, b) => a.at - b.at).slice(-most);
}

export const summary = (all) => {
  const by = new Map();
  for (const c of all) by.set(c.word, (by.get(c.word) ?? 0) + (c.n ?? 1));
  return [...by].map(([word, n]) => `${n} ${words(word)}`).join(", ");
};

const width = 4;
const height = 22;

// bar is one cell as a path: at least 3 high, a short line on the ground for a gap.
function bar(c, i, longest) {
  const x = (most - 1 - i) * width;
  if (c.word === "missed") return `M${x} ${height - 2}h${width - 1}v2h${1 - width}z`;
  const tall = Math.max(4, Math.round(height * Math.sqrt(c.took / longest || 0)));
  return `M${x} ${height - tall}h${width - 1}v${tall}h${1 - width}z`;
}

export function strip(name) {
  const one = strips.get(name);
  if (!one || !one.runs.length) return h("span", { class: "faint" }, one?.at ? "no runs yet" : "");
  const all = cells(one).reverse();
  const longest = Math.max(...all.map((c) => c.took));
  const paths = new Map();
  all.forEach((c, i) => {
    const tone = tones[c.word] ?? "calm";
    paths.set(tone, (paths.get(tone) ?? "") + bar(c, i, longest));
  });
  return h("svg", { class: "strip", viewBox: `0 0 ${most * width} ${height}`, role: "img", "aria-label": `last ${count(all.length, "run")}: ${summary(all)}`, preserveAspectRatio: "xMaxYMax" },
    [...paths].map(([tone, d]) => h("path", { key: tone, class: `tone-${tone}`, d })));
}

export function cellText(c) {
  if (c.word === "missed") return `${c.n > 1 ? `${c.n} slots: ` : ""}${c.reason}, ${stamp(new Date(c.at).toISOString())}`;
  return `${words(c.word)} after ${length(c.took)}, ${stamp(new Date(c.at).toISOString())}`;
}
