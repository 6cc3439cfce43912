// The menu of a task, the dialogs, the results of actions and the help sheet.

import { h } from "../dom.js";
import { post, path } from "../api.js";
import { changed, dismiss, notice, state } from "../store.js";
import { count } from "../format.js";
import { ask, verbs } from "./actions.js";
import { keysOn, setKeysOn } from "../keys.js";

export function closeMenu() {
  const opener = state.menu?.opener;
  state.menu = null;
  changed();
  opener?.focus();
}

export function menu() {
  const t = state.menu && state.tasks.get(state.menu.task);
  if (!t) return null;
  const items = verbs(t);
  return h("section", { key: `menu ${t.name}`, "aria-label": `actions of ${t.name}` }, h("div", { class: "menu", role: "menu", "aria-label": `actions of ${t.name}`, made: place, on: { keydown: menuKey } },
    items.map((v) => v === "line"
      ? h("div", { role: "separator" })
      : h("button", { type: "button", role: "menuitem", tabindex: "-1", class: v.hard ? "hard" : "", on: { click: () => { closeMenu(); v.act(); } } }, v.label))));
}

// place puts the menu below its button, or above when there is no room, and takes the focus.
function place(el) {
  const { right, top, above } = state.menu;
  requestAnimationFrame(() => {
    const up = top + el.offsetHeight + 8 > innerHeight;
    el.style.setProperty("right", `${Math.max(8, right)}px`);
    el.style.setProperty("top", `${up ? Math.max(8, above - el.offsetHeight - 4) : top + 4}px`);
    el.querySelector("[role=menuitem]")?.focus();
  });
}

function menuKey(e) {
  const items = [...e.currentTarget.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[e.key];
  if (to !== undefined) {
    items[to % items.length].focus();
    e.preventDefault();
  } else if (e.key === "Escape" || e.key === "Tab") {
    closeMenu();
    e.preventDefault();
    e.stopPropagation();
  }
}

// ---- dialogs

// closeDialog lets the browser give the focus back to where it was.
export function closeDialog() {
  state.dialog = null;
  document.querySelector("dialog[open]")?.close();
  changed();
}

export const frame = (d, title, ...inner) =>
  h("dialog", { key: `${d.kind} ${d.task ?? ""}`, "aria-labelledby": "dialog-title", made: show, on: { close: () => state.dialog === d && closeDialog() } },
    h("h2", { id: "dialog-title" }, title), inner);

function show(el) {
  requestAnimationFrame(() => el.isConnected && !el.open && el.showModal());
}

export const closer = (text = "Leave it") => h("button", { type: "button", on: { click: closeDialog } }, text);

export function dialog() {
  const d = state.dialog;
  return d && (d.view ?? { sure, pause, help, message }[d.kind])(d); // a view may bring a dialog of its own
}

export function submit(act) {
  return (e) => {
    e.preventDefault();
    act(new FormData(e.currentTarget));
  };
}

function sure(d) {
  return frame(d, d.title, h("p", {}, d.text),
    h("form", { on: { submit: submit(() => { closeDialog(); d.act(); }) } },
      h("div", { class: "choices" }, closer(), h("button", { type: "submit", class: d.hard === false ? "" : "hard", autofocus: true }, d.button))));
}

const spans = [["", "until somebody resumes it"], ["900", "for 15 minutes"], ["3600", "for an hour"], ["28800", "for 8 hours"], ["86400", "for a day"]];

function pause(d) {
  const act = (form) => {
    closeDialog();
    const span = Number(form.get("span"));
    ask(d.task, "pause", { reason: form.get("reason"), ...(span ? { until: new Date(Date.now() + span * 1000).toISOString() } : {}) });
  };
  return frame(d, `Pause ${d.task}`,
    h("p", {}, "No slot begins a run while it is paused. What runs now goes on."),
    h("form", { on: { submit: submit(act) } },
      h("label", {}, "Why", h("input", { name: "reason", maxlength: 200, autofocus: true, autocomplete: "off" })),
      h("label", {}, "How long", h("select", { name: "span" }, spans.map(([value, text]) => h("option", { value }, text)))),
      h("div", { class: "choices" }, closer(), h("button", { type: "submit" }, "Pause"))));
}

function message(d) {
  return frame(d, d.title, h("pre", { tabindex: "0" }, d.text), h("div", { class: "choices" }, closer("Close")));
}

const sheet = [
  ["/", "search the tasks"], ["j  k", "next, previous row"], ["Enter", "open the row"], ["Esc", "close, clear or go back"],
  ["r", "run the row's task now"], ["s", "stop it"], ["c", "cancel what it runs"], ["p", "pause or resume it"],
  ["g o", "overview"], ["g q", "queues"], ["g p", "pipeline"], ["g t", "timeline"], ["←  →", "on the timeline: earlier, later"], ["+  −  n", "on the timeline: nearer, further, now"],
  ["Enter  ↑  ↓", "in a log: into its lines, from one to the next"],
  ["g l", "plugins"], ["g c", "configuration"], ["g e", "events"], ["?", "this sheet"],
];

function help(d) {
  return frame(d, "Keys",
    h("dl", { class: "keys" }, sheet.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("label", { class: "check" }, h("input", { type: "checkbox", checked: keysOn(), on: { change: (e) => setKeysOn(e.currentTarget.checked) } }), "single keys are on"),
    h("div", { class: "choices" }, h("button", { type: "button", autofocus: true, on: { click: closeDialog } }, "Close")));
}

// ---- results

export const notices = () =>
  h("div", { class: "notices", role: "status", "aria-live": "polite" }, state.notices.map((n) =>
    h("div", { key: n.id, class: n.bad ? "notice bad" : "notice" }, h("span", {}, n.text),
      h("button", { type: "button", "aria-label": "dismiss", on: { click: () => dismiss(n.id) } }, "×"))));

// askPurge wants the queue's name before anything is deleted.
export function askPurge(q, dead, done) {
  const what = dead ? count(q.dead_letters, "dead letter") : count(q.depth, "message");
  const view = (d) => frame(d, `Delete ${what} of ${q.name}?`, h("p", {}, "They are deleted for good. Nobody can bring them back."),
    h("form", { on: { submit: submit((form) => purge(d, form.get("confirm"))) } },
      h("label", {}, `Write ${q.name} to confirm`, h("input", { name: "confirm", autofocus: true, autocomplete: "off", spellcheck: false })),
      h("p", { class: "error", role: "alert" }, d.error),
      h("div", { class: "choices" }, closer(), h("button", { type: "submit", class: "hard" }, "Delete"))));
  const purge = async (d, confirm) => {
    try {
      const { value } = await post(path`v1/queues/${q.name}/purge`, { confirm, dead_letters: dead });
      closeDialog();
      notice(`${q.name}: ${count(value.purged, dead ? "dead letter" : "message")} deleted`);
      done();
    } catch (err) {
      d.error = err.text ?? err.message;
      changed();
    }
  };
  state.dialog = { kind: "purge", task: q.name, view, error: "" };
  changed();
}

// redrive makes dead letters messages again.
export async function redrive(queue, body) {
  try {
    const { value } = await post(path`v1/queues/${queue}/redrive`, body);
    notice(`${queue}: ${value.moved.length} redriven${value.error ? `; ${value.error.detail}` : ""}`, Boolean(value.error));
  } catch (err) {
    notice(`${queue}: redrive failed: ${err.text ?? err.message}`, true);
  }
}
