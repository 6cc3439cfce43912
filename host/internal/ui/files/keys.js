// Single keys. They can be turned off, and never take a key from somebody who writes.

import { state, changed } from "./store.js";
import { go, route, to } from "./router.js";
import { shortcut } from "./parts/actions.js";
import { timelineKey } from "./views/timeline.js";
import { closeDialog, closeMenu } from "./parts/overlay.js";

const setting = "taskhost.keys";
const lists = ["queues", "plugins"]; // views that one of theirs goes back to
let leader = false;

export const keysOn = () => localStorage.getItem(setting) !== "off";
export const setKeysOn = (on) => {
  localStorage.setItem(setting, on ? "on" : "off");
  changed();
};

const writing = (el) => el?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

export function onKey(e) {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || state.who === null) return;
  if (e.key === "Escape") return escape(e);
  if (writing(e.target) || state.dialog || state.menu || !keysOn()) return;
  if (single(e.key, e.target)) e.preventDefault();
}

function escape(e) {
  if (state.dialog) closeDialog();
  else if (state.menu) closeMenu();
  else if (writing(e.target)) {
    if (e.target.type !== "search" || !e.target.value) e.target.blur(); // the browser itself clears what is searched for
  } else if (route().parts.length) go(lists.includes(route().parts[0]) && route().parts.length > 1 ? to(route().parts[0]) : to());
}

function single(key, target) {
  if (leader) {
    leader = false;
    const where = { o: to(), q: to("queues"), p: to("pipeline"), t: to("timeline"), c: to("config"), l: to("plugins"), e: to("events") }[key];
    if (where) go(where);
    return Boolean(where);
  }
  if (key === "g") leader = true;
  else if (key === "?") {
    state.dialog = { kind: "help" };
    changed();
  } else if (key === "/") {
    const search = document.getElementById("search");
    if (!search) return false;
    search.focus();
    search.select();
  } else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (route().parts[0] === "timeline" && timelineKey(key)) return true;
  else return command(key, target);
  return true;
}

// step moves the focus from row to row, by the rows' own links.
function step(by) {
  const rows = [...document.querySelectorAll("a.row-link")];
  if (!rows.length) return;
  const row = document.activeElement?.closest?.("[role=row], tr");
  const at = rows.findIndex((a) => row?.contains(a));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// command is for the task whose row has the focus, or whose view is open.
function command(key, target) {
  const { parts } = route();
  const name = target.closest?.("[data-task]")?.dataset.task ?? (parts[0] === "tasks" && parts.length === 2 ? parts[1] : undefined);
  const task = state.tasks.get(name);
  return task ? shortcut(task, key) : false;
}
