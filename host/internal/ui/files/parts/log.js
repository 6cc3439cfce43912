// A live log: it follows until somebody scrolls up, keeps a bounded number of lines, and says where lines are missing.
// Lines go to the document by themselves and not through patch(): there may be many, and an old one never changes.

import { h } from "../dom.js";
import { link } from "../api.js";
import { changed, state } from "../store.js";
import { millis, stamp } from "../format.js";

const most = 2000; // lines that are kept
const first = 200;
const breath = 100; // ms in which lines are collected

export const levels = ["trace", "debug", "info", "warn", "error"];

// liveLog follows the log at path, of a task or a run.
export function liveLog(path, showRun) {
  const log = { level: "", grep: "", following: true, fresh: 0, count: 0, error: "" };
  let source = null;
  let box = null;
  let lines = [];
  let last = "";
  let timer = null;
  let retry = null;

  const address = () => {
    const q = new URLSearchParams({ follow: "true" });
    if (last) q.set("after", last);
    else q.set("tail", String(first));
    if (log.level) q.set("level", log.level);
    if (log.grep) q.set("grep", log.grep);
    return link(`${path}?${q}`);
  };

  const open = () => {
    close();
    if (document.hidden || state.who === null) return;
    source = new EventSource(address());
    source.addEventListener("log", (e) => {
      const line = JSON.parse(e.data);
      if (line.position) last = String(line.position);
      lines.push(line);
      timer ??= setTimeout(flush, breath);
    });
    source.onerror = () => {
      close();
      retry ??= setTimeout(open, 2000);
    };
  };

  const close = () => {
    source?.close();
    source = null;
    clearTimeout(retry);
    retry = null;
  };

  const flush = () => {
    timer = null;
    if (!box) return;
    const all = lines.slice(-most);
    lines = [];
    const part = document.createDocumentFragment();
    for (const line of all) part.append(lineOf(line, showRun));
    box.append(part);
    while (box.childElementCount > most) box.firstElementChild.remove();
    log.count = box.childElementCount;
    if (log.following) box.scrollTop = box.scrollHeight;
    else log.fresh += all.length;
    changed();
  };

  const anew = () => {
    last = "";
    lines = [];
    log.count = log.fresh = 0;
    log.following = true;
    box?.replaceChildren();
    open();
  };

  const seen = () => (document.hidden ? close() : open());

  log.start = () => {
    document.addEventListener("visibilitychange", seen);
    open();
  };
  log.stop = () => {
    document.removeEventListener("visibilitychange", seen);
    clearTimeout(timer);
    close();
  };
  // attach gives the log the element for its lines: a new one when the view was away for a login.
  log.attach = (el) => {
    const again = box !== null;
    box = el;
    if (again) anew();
    else flush();
  };
  log.scrolled = () => {
    const at = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
    if (at === log.following) return;
    log.following = at;
    log.fresh = 0;
    changed();
  };
  log.toEnd = () => {
    log.following = true;
    log.fresh = 0;
    box.scrollTop = box.scrollHeight;
    changed();
  };
  log.filter = (changes) => {
    Object.assign(log, changes);
    anew();
    changed();
  };
  return log;
}

function lineOf(line, showRun) {
  const el = document.createElement("div");
  if (line.gap) {
    el.className = "gap";
    el.textContent = `… ${line.gap.toLocaleString("en")} lines are missing …`;
    return el;
  }
  el.className = `line at-${levels.includes(line.level) ? line.level : "info"}`;
  const part = (cls, text) => {
    const span = document.createElement("span");
    span.className = cls;
    span.textContent = text;
    el.append(span, " ");
    return span;
  };
  part("at", millis(line.at)).title = stamp(line.at);
  part("level", line.level);
  part("text", line.message);
  const fields = Object.entries(line.fields ?? {}).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join(" ");
  if (fields) part("fields", fields);
  if (showRun && line.run) part("run", line.run.slice(-6)).title = `run ${line.run}`;
  return el;
}

// literal is a text as a regular expression that matches nothing else, whatever its case.
const literal = (text) => (text ? `(?i)${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}` : "");

export function logView(log, name) {
  let typing = null;
  const type = (e) => {
    const text = e.currentTarget.value;
    clearTimeout(typing);
    typing = setTimeout(() => log.filter({ grep: literal(text) }), 250);
  };
  return h("section", { key: "log", class: "card log-card", "aria-label": `log of ${name}` },
    h("div", { class: "card-head" }, h("h2", {}, "Log"),
      h("span", { class: log.following ? "live" : "faint" }, log.following ? "following" : "not following"),
      h("span", { class: "spacer" }),
      h("select", { "aria-label": "lowest level", on: { change: (e) => log.filter({ level: e.currentTarget.value }) } },
        ["", ...levels].map((l) => h("option", { value: l, selected: l === log.level }, l ? `${l} and above` : "every level"))),
      h("input", { type: "search", class: "grep", placeholder: "only lines with…", "aria-label": "only lines with this text", on: { input: type } })),
    h("div", { class: "log", role: "log", "aria-live": "off", tabindex: "0", "aria-label": `lines of ${name}`, foreign: true, made: log.attach, on: { scroll: log.scrolled } }),
    !log.count && h("p", { class: "faint none" }, "no lines"),
    !log.following && h("button", { type: "button", class: "to-end", on: { click: log.toEnd } }, log.fresh ? `${log.fresh} new ↓` : "to the end ↓"));
}
