// How states, modes and outcomes look: a mark, a colour and always the word.

import { h } from "../dom.js";
import { state as known } from "../store.js";
import { bytes, load } from "../format.js";

const marks = {
  running: "M5 3l8 5-8 5z",
  starting: "M8 2a6 6 0 0 1 0 12z M8 3.5a4.5 4.5 0 0 0 0 9z",
  idle: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
  stopped: "M3 3h10v10H3z",
  stopping: "M3 3h10v4H3zM3 9h4v4H3zM9 9h4v4H9z",
  backoff: "M4 2h8v2L9 8l3 4v2H4v-2l3-4-3-4z",
  crash_loop: "M9 1L3 9h4l-1 6 7-9H8z",
  failed: "M4 2.5L8 6.5l4-4L13.5 4l-4 4 4 4-1.500 1.500-4-4-4 4L2.500 12l4-4-4-4z",
  completed: "M6.200 13L1.500 8.300l1.600-1.600 3.100 3.100L12.900 3l1.600 1.600z",
  paused: "M4 3h3v10H4zM9 3h3v10H9z",
  degraded: "M8 1.500L15 14H1zM7.200 6v4h1.600V6zM7.200 11v1.600h1.600V11z",
};

export const icon = (name, cls) =>
  h("svg", { class: `icon ${cls}`, viewBox: "0 0 16 16", "aria-hidden": "true", width: 16, height: 16 },
    h("path", { d: marks[name] ?? marks.idle, "fill-rule": "evenodd" }));

export const tones = {
  running: "good", starting: "busy", idle: "calm", stopped: "off", stopping: "busy", backoff: "warn", crash_loop: "bad", failed: "bad",
  completed: "good", succeeded: "good", timed_out: "bad", lost: "bad", cancelled: "warn", interrupted: "warn", skipped: "off",
  queued: "calm", missed: "gap",
};

export const words = (text) => String(text ?? "").replaceAll("_", " ");

// states in the order in which a person wants to see them.
export const states = ["failed", "crash_loop", "backoff", "stopping", "starting", "running", "idle", "completed", "stopped"];

export function stateMark(task) {
  return [
    icon(task.state, `tone-${tones[task.state] ?? "calm"}`),
    h("span", { class: "word" }, words(task.state)),
    task.paused && h("span", { class: "chip" }, icon("paused", "tone-warn"), "paused"),
    task.health?.status === "degraded" && task.state !== "failed" && task.state !== "crash_loop" &&
      h("span", { class: "chip", title: task.health.reasons?.map((r) => r.text).join("; ") }, icon("degraded", "tone-warn"), "degraded"),
  ];
}

// usageText is what a task's processes take, as the page knows it now.
export function usageText(name) {
  const u = known.usage.get(name);
  return u ? `CPU ${load(u.cpu)} · ${bytes(u.rss)}` : "";
}

const outcomeIcons = { succeeded: "completed", failed: "failed", timed_out: "failed", lost: "crash_loop", cancelled: "stopped", interrupted: "paused", skipped: "idle", queued: "idle", running: "running", starting: "starting", stopping: "stopping" };

export const outcomeMark = (word) => [icon(outcomeIcons[word] ?? "idle", `tone-${tones[word] ?? "calm"}`), h("span", { class: "word" }, words(word))];
