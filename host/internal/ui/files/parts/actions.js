// What a person can ask of a task, and how the host answered. Nothing is shown as done before the host has said so.

import { h } from "../dom.js";
import { path, post } from "../api.js";
import { changed, mayAct, notice, soil, state } from "../store.js";
import { left, length, until } from "../format.js";
import { words } from "./state.js";
import { openRun } from "./input.js";

const patience = "10s"; // how long an action waits for its end before it says that it goes on

const live = (t) => t.running.length > 0;

// ask sends a verb and says what came of it.
export async function ask(name, verb, body = {}, label = verb) {
  state.pending.set(name, label);
  changed();
  try {
    const answer = await post(path`v1/tasks/${name}/` + `${verb}?wait=${patience}`, body);
    notice(outcome(name, label, answer));
    return answer.value;
  } catch (err) {
    notice(`${name}: ${label} failed: ${err.text ?? err.message}`, true);
    return null;
  } finally {
    state.pending.delete(name);
    soil(name);
    changed();
  }
}

function outcome(name, label, { status, value }) {
  if (status === 202) return `${name}: ${label} goes on (${words(value.state)})`;
  if (value.outcome) return `${name}: the run ${words(value.outcome)}`;
  return value.changed === false ? `${name}: ${label} changed nothing, it is ${words(value.state)}` : `${name}: ${label} done, it is ${words(value.state)}`;
}

// runNow does not wait for the end of the run: the row shows how it goes.
export async function runNow(name, body = {}) {
  state.pending.set(name, "run now");
  changed();
  try {
    const { value } = await post(path`v1/tasks/${name}/runs`, body);
    notice(`${name}: run ${value.id} is ${words(value.state)}`);
    return null;
  } catch (err) {
    notice(`${name}: run now failed: ${err.text ?? err.message}`, true);
    return err;
  } finally {
    state.pending.delete(name);
    soil(name);
    changed();
  }
}

export async function cancelRun(id, name, mode) {
  try {
    const answer = await post(path`v1/runs/${id}/cancel` + `?wait=${patience}`, mode ? { mode } : {});
    notice(outcome(name, "cancel", answer));
  } catch (err) {
    notice(`${name}: cancel failed: ${err.text ?? err.message}`, true);
  }
  soil(name);
}

const sure = (t, title, text, button, act, hard = true) => {
  state.dialog = { kind: "sure", title, text, button, act, hard, task: t.name };
  changed();
};

const kill = (t) => sure(t, `Kill ${t.name} now?`, "Its processes end at once, without a chance to finish or to save. The task stays stopped.", "Kill now",
  () => ask(t.name, "stop", { mode: "kill" }, "kill"));

const stop = (t) => sure(t, `Stop ${t.name}?`, `What runs may finish: it is asked to stop (up to ${length(t.stop_ladder.drain)}), then cancelled (${length(t.stop_ladder.cancel)}), then killed. The task stays stopped until somebody starts it.`, "Stop",
  () => ask(t.name, "stop", { mode: "graceful" }, "stop"), false);

const cancel = (t) => sure(t, `Cancel what ${t.name} runs?`, "The run ends as cancelled. The schedule stays as it is.", "Cancel the run",
  () => ask(t.name, "cancel", {}, "cancel"));

const hurry = (t) => sure(t, `Cancel ${t.name} now?`, "What still drains is cancelled without waiting for it.", "Cancel now",
  () => (t.stopped ? ask(t.name, "stop", { mode: "hard" }, "cancel") : ask(t.name, "cancel", { mode: "hard" }, "cancel")));

// further is the next step of a stop that goes on; nothing when there is none, or no next.
function further(t) {
  const stage = t.runs?.map(stopOf).find(Boolean)?.stage;
  return { drain: { label: "Cancel now", act: () => hurry(t) }, cancel: { label: "Kill now", hard: true, act: () => kill(t) } }[stage];
}

const restart = (t) => sure(t, `Restart ${t.name}?`, "What runs is drained, then a new process begins.", "Restart", () => ask(t.name, "restart"), false);

export const openPause = (t) => {
  state.dialog = { kind: "pause", task: t.name };
  changed();
};

export const runnable = (t) => t.mode !== "continuous" && t.state !== "stopped" && t.state !== "failed";
export const startable = (t) => ["stopped", "failed", "crash_loop", "completed"].includes(t.state);

// verbs are what the menu of a task offers now, the gentle ones first.
export function verbs(t) {
  const stopped = t.state === "stopped" && !live(t);
  return [
    !stopped && { label: "Stop (graceful)", act: () => stop(t) },
    live(t) && { label: t.running.length > 1 ? "Cancel these runs" : "Cancel this run", act: () => cancel(t) },
    live(t) && { label: "Kill now", hard: true, act: () => kill(t) },
    "line",
    startable(t) && { label: "Start", act: () => ask(t.name, "start") },
    runnable(t) && { label: "Run with input…", act: () => openRun(t) },
    !t.paused && !stopped && { label: "Pause…", act: () => openPause(t) },
    t.paused && { label: "Resume", act: () => ask(t.name, "resume") },
    t.mode === "continuous" && !stopped && { label: "Restart", act: () => restart(t) },
  ].filter(Boolean);
}

// first is the one thing that a person most often wants of the task as it is.
function first(t) {
  if (t.paused) return { label: "Resume", act: () => ask(t.name, "resume") };
  if (startable(t)) return { label: "Start", act: () => ask(t.name, "start") };
  if (runnable(t)) return { label: "Run now", act: () => runNow(t.name) };
  return null;
}

const button = (t, one, cls = "") =>
  h("button", { key: one.label, type: "button", class: cls, "aria-label": `${one.label}: ${t.name}`, on: { click: one.act } }, one.label);

export function buttons(t) {
  if (!mayAct()) return null;
  const pending = state.pending.get(t.name);
  const main = first(t);
  const halt = t.state === "stopped" && !live(t) ? null : further(t) ?? { label: "Stop", act: () => stop(t) };
  return [
    pending && h("span", { key: "pending", class: "pending", role: "status" }, `${pending}…`),
    !pending && main && button(t, main),
    h("span", { key: "split", class: "split" },
      halt && button(t, halt, halt.hard ? "hard" : ""),
      h("button", {
        key: "more", type: "button", class: "more", "aria-haspopup": "menu", "aria-label": `more actions: ${t.name}`,
        "aria-expanded": state.menu?.task === t.name ? "true" : "false", on: { click: (e) => openMenu(t, e.currentTarget) },
      }, "▾")),
  ];
}

function openMenu(t, opener) {
  const box = opener.getBoundingClientRect();
  state.menu = state.menu?.task === t.name ? null : { task: t.name, opener, right: innerWidth - box.right, top: box.bottom, above: box.top };
  changed();
}

// shortcut does what a key asks of the task, when that makes sense as it is.
export function shortcut(t, key) {
  if (!mayAct()) return false;
  const offered = verbs(t).filter((v) => v !== "line").map((v) => v.label);
  if (key === "r" && runnable(t)) runNow(t.name);
  else if (key === "s" && offered.includes("Stop (graceful)")) stop(t);
  else if (key === "c" && live(t)) cancel(t);
  else if (key === "p" && t.paused) ask(t.name, "resume");
  else if (key === "p" && offered.includes("Pause…")) openPause(t);
  else return false;
  return true;
}

// stopOf is the stop of a run while it goes on.
export const stopOf = (run) => (run.stop && run.stop.took === undefined ? run.stop : null);

const stages = ["drain", "cancel", "kill"];

// ladder shows the stages of a stop: those that are over, the one that it is in with what is left of it, and those to come.
export function ladder(run) {
  const s = stopOf(run);
  if (!s) return null;
  const at = stages.indexOf(s.stage);
  const steps = stages.map((stage, i) => ({ stage, i })).filter(({ i }) => i >= stages.indexOf(s.from));
  return h("span", { class: "ladder", title: s.kill_at ? `killed ${until(s.kill_at)} at the latest` : null },
    steps.map(({ stage, i }) => [
      i > stages.indexOf(s.from) && h("span", { class: "then", "aria-hidden": "true" }, " ▸ "),
      i === at
        ? h("b", {}, stage, s.stage_deadline && h("span", { tick: () => ` for ${left(s.stage_deadline)}` }))
        : h("span", { class: i < at ? "over" : "later" }, h("span", { class: "hidden" }, i < at ? " over: " : " then "), stage)]));
}
