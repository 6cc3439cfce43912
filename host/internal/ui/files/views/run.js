// One run: its stages on a time line, its attempts one above the other, what went in and what came out, and its log.

import { h } from "../dom.js";
import { get, path, post } from "../api.js";
import { changed, mayAct, notice, state } from "../store.js";
import { go, to } from "../router.js";
import { count, length, millis, ms, now, since, stamp } from "../format.js";
import { outcomeMark, tones, words } from "../parts/state.js";
import { cancelRun, ladder, stopOf } from "../parts/actions.js";
import { resource, resources } from "../parts/resource.js";
import { liveLog, logView } from "../parts/log.js";
import { progress } from "./overview.js";

function parts(id) {
  return {
    run: resource(() => get(path`v1/runs/${id}`), (e) => e.run === id),
    log: liveLog(path`v1/runs/${id}/logs`, false, "runs", id),
  };
}

export function run(id) {
  const of = resources(`run ${id}`, () => parts(id));
  const r = of.run.value;
  of.log.pointed ??= (at) => point(of, at);
  if (!r) return h("main", { key: `run ${id}`, id: "main", tabindex: "-1" }, h("h1", {}, "Run"), h("p", { class: "empty" }, of.run.error ? of.run.error.text ?? of.run.error.message : "reading…"));
  return h("main", { key: `run ${id}`, id: "main", class: "task", tabindex: "-1", "data-task": r.task },
    h("div", { class: "title" },
      h("div", {}, h("h1", {}, h("a", { href: to("tasks", r.task) }, r.task), " · run"), h("p", { class: "faint mono" }, r.id)),
      h("div", { class: "title-state" }, outcomeMark(r.state === "ended" ? r.outcome : r.state),
        r.state === "ended" ? h("span", { class: "faint" }, `after ${length(r.duration ?? 0)}, ended in ${words(r.ended_in)}`) : h("span", { class: "faint", tick: () => `for ${since(r.started_at ?? r.queued_at)}` })),
      h("div", { class: "c-actions" }, actions(r))),
    r.error && h("div", { class: "why bad" }, h("b", {}, r.error.class), " ", r.error.message, r.error.stack && h("pre", { tabindex: "0" }, r.error.stack)),
    r.stop && h("p", { class: "why" }, stopText(r), ladder(r)),
    r.waiting && h("p", { class: "why" }, `waits for ${[r.waiting.for, r.waiting.on].filter(Boolean).join(" ")}`),
    r.progress && h("p", { class: "why" }, progress(r.progress), [r.progress.total ? `${r.progress.done} of ${r.progress.total}` : "", r.progress.note].filter(Boolean).join(" ")),
    h("div", { class: "columns" },
      h("div", { class: "column" }, timeline(r, of), facts(r), attempts(r), document_("Input", r.input), document_("Result", r.result)),
      h("div", { class: "column" }, logView(of.log, `run ${r.id.slice(-6)}`))));
}

const stopText = (r) => `${r.stop.actor ? `${r.stop.actor} asked it to stop` : "it was asked to stop"}${r.stop.reason ? `: “${r.stop.reason}”` : ""}${r.stop.ended_in ? `; it ended in ${r.stop.ended_in}` : ""} `;

function actions(r) {
  if (!mayAct()) return null;
  if (r.state === "ended") return h("button", { type: "button", on: { click: () => retry(r) } }, "Run again");
  const sure = (mode, title, text, button) => {
    state.dialog = { kind: "sure", task: r.task, title, text, button, act: () => cancelRun(r.id, r.task, mode) };
    changed();
  };
  const hard = () => sure("kill", `Kill this run of ${r.task}?`, "Its process ends at once, without a chance to finish or to save.", "Kill now");
  const cancel = () => (stopOf(r) ? sure("hard", `Cancel this run of ${r.task} now?`, "It is cancelled without waiting until it has drained.", "Cancel now") : cancelRun(r.id, r.task));
  const stage = stopOf(r)?.stage;
  return h("span", { class: "split" },
    (!stage || stage === "drain") && h("button", { type: "button", on: { click: cancel } }, stage ? "Cancel now" : "Cancel this run"),
    stage !== "kill" && h("button", { type: "button", class: "hard", on: { click: hard } }, "Kill now"));
}

async function retry(r) {
  try {
    const { value } = await post(path`v1/runs/${r.id}/retry`);
    go(to("runs", value.id));
  } catch (err) {
    notice(`${r.task}: ${err.text ?? err.message}`, true);
  }
}

// momentsOf are the moments of a run in their order, from the slot to the cause of its end.
export function momentsOf(r) {
  const stages = new Set(["drain", "cancel", "kill"]);
  const asked = (m) => (stages.has(m.what) && !m.note && r.stop?.actor ? `asked by ${r.stop.actor}` : m.note);
  const all = (r.timeline ?? []).map((m) => ({ at: m.at, what: words(m.what), note: asked(m), stage: stages.has(m.what) }));
  if (r.slot) all.push({ at: r.slot, what: "slot", note: "when it was due" });
  for (const a of r.attempts ?? []) {
    if (a.started_at) all.push({ at: a.started_at, what: `attempt ${a.number}`, note: a.pid ? `in process ${a.pid}` : "" });
    if (a.exit?.at) all.push({ at: a.exit.at, what: "exit", note: a.exit.text });
  }
  if (r.progress?.at) all.push({ at: r.progress.at, what: "progress", note: [r.progress.total ? `${r.progress.done} of ${r.progress.total}` : r.progress.done || "", r.progress.note].filter(Boolean).join(" ") });
  return all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

// picked is the moment whose lines are marked in the log: the one that is chosen, or the one that the pointer is on.
const picked = { run: "", chosen: null, hover: null, line: null };

function pick(of, changes, show) {
  Object.assign(picked, changes);
  const r = of.run.value;
  const at = picked.hover ?? picked.chosen;
  const all = momentsOf(r);
  const next = all.find((m) => ms(m.at) > at);
  if (at === null) of.log.mark(null);
  else of.log.mark(at, next ? ms(next.at) : Infinity, show);
  changed();
}

// point shows on the time line when the line of the log under the pointer was written.
function point(of, at) {
  if (picked.line === at) return;
  picked.line = at;
  changed();
}

const rowTall = 18;

// timeline: bars for the wait and the attempts, one below the other, and each moment with its distance from the beginning.
function timeline(r, of) {
  if (picked.run !== r.id) Object.assign(picked, { run: r.id, chosen: null, hover: null, line: null });
  const queued = ms(r.queued_at);
  const end = Math.max(r.ended_at ? ms(r.ended_at) : now(), queued + 1);
  const begin = ms(r.slot) < queued && queued - ms(r.slot) < 10 * (end - queued) ? ms(r.slot) : queued; // a slot of long ago would leave no room for the rest
  const x = (at) => Math.max(0, Math.min(600, (600 * (at - begin)) / (end - begin)));
  const first = r.attempts?.find((a) => a.started_at)?.started_at ?? r.started_at ?? r.ended_at;
  const bars = [{ key: "wait", from: begin, to: ms(first) || end, tone: "off", row: 0, text: "waited" }];
  for (const [i, a] of (r.attempts ?? []).entries()) {
    if (!a.started_at) continue;
    bars.push({ key: a.number, from: ms(a.started_at), to: a.ended_at ? ms(a.ended_at) : end, tone: tones[a.outcome ?? "running"] ?? "calm", row: i + 1, text: `attempt ${a.number}${a.outcome ? `: ${words(a.outcome)}` : ""}` });
  }
  const tall = (Math.max(...bars.map((b) => b.row)) + 1) * rowTall;
  const all = momentsOf(r);
  const line = (at, cls, title) => h("line", { x1: x(at).toFixed(1), x2: x(at).toFixed(1), y1: 0, y2: tall, class: cls }, title && h("title", {}, title));
  const at = picked.hover ?? picked.chosen;
  return h("section", { key: "timeline", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Time line"), h("span", { class: "spacer" }), h("span", { class: "faint" }, length((end - begin) / 1000))),
    h("svg", { class: "timeline", viewBox: `0 0 600 ${tall}`, height: tall, preserveAspectRatio: "none", role: "img", "aria-label": bars.map((b) => `${b.text} ${length((b.to - b.from) / 1000)}`).join(", ") },
      bars.map((b) => h("rect", { key: b.key, x: x(b.from).toFixed(1), y: b.row * rowTall + 4, width: Math.max(2, x(b.to) - x(b.from)).toFixed(1), height: 11, rx: 2, class: `tone-${b.tone}` },
        h("title", {}, `${b.text}, ${length((b.to - b.from) / 1000)}`))),
      all.filter((m) => m.stage).map((m) => line(ms(m.at), "stage", m.what)),
      at !== null && line(at, "cursor"),
      picked.line !== null && line(picked.line, "cursor pointed")),
    h("ol", { class: "moments" }, all.map((m, i) => moment(m, all[i + 1], begin, of))));
}

// moment is a button: it marks the lines that were written from then until the next moment.
function moment(m, next, begin, of) {
  const at = ms(m.at);
  const holds = picked.line !== null && picked.line >= at && !(next && picked.line >= ms(next.at));
  const on = {
    click: () => pick(of, { chosen: picked.chosen === at ? null : at, hover: null }, true),
    pointerenter: () => pick(of, { hover: at }, false),
    pointerleave: () => pick(of, { hover: null }, false),
  };
  return h("li", { title: stamp(m.at) }, h("button", { type: "button", class: holds ? "moment holds" : "moment", "aria-pressed": picked.chosen === at ? "true" : "false", on },
    h("span", { class: "mono at" }, millis(m.at)), h("span", { class: "faint plus" }, at === begin ? "+0" : `${at > begin ? "+" : "−"}${length((at - begin) / 1000)}`), h("b", {}, m.what), h("span", { class: "says" }, m.note)));
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function facts(r) {
  return h("section", { key: "facts", class: "card" }, h("dl", { class: "facts" },
    fact("Trigger", words(r.trigger), r.actor && ` by ${r.actor}`, r.source && h("span", { class: "sub" }, "from ", h("a", { href: to("runs", r.source) }, r.source))),
    r.slot && fact("Slot", stamp(r.slot)),
    r.previous_slot && fact("Slot before", stamp(r.previous_slot)),
    r.reason && fact("Why", r.reason),
    r.note && fact("Note", r.note),
    fact("Attempts", count(r.attempts?.length ?? 0, "attempt")),
    r.deadline && fact("Deadline", stamp(r.deadline)),
    fact("Generation", r.generation),
    r.plugin && fact("Plugin", `${r.plugin} ${r.plugin_version ?? ""}`, r.plugin_digest && h("span", { class: "sub mono" }, r.plugin_digest.slice(0, 16)))));
}

function attempts(r) {
  const told = (r.attempts ?? []).filter((a) => a.error || a.exit);
  if (!told.length) return null;
  return h("section", { key: "attempts", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Attempts")), told.map((a) =>
    h("div", { key: a.number, class: "attempt" }, h("p", {}, h("b", {}, `${a.number}. `), outcomeMark(a.outcome ?? "running"), a.pid && h("span", { class: "faint" }, ` process ${a.pid}`)),
      a.error && h("p", {}, a.error.message),
      a.exit && h("p", { class: "faint" }, `the process ended: ${a.exit.text}${a.exit.oom ? ", out of memory" : ""}`),
      a.exit?.stderr?.length > 0 && h("pre", { tabindex: "0" }, a.exit.stderr.join("\n")))));
}

function document_(name, value) {
  if (value === undefined || value === null) return null;
  return h("section", { key: name, class: "card" }, h("div", { class: "card-head" }, h("h2", {}, name)), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)));
}
