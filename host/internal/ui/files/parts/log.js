// A live log: it follows until somebody scrolls up, keeps a bounded number of lines, and says where lines are missing.
// Level, text and a line to show stand in the address. Lines go to the document by themselves and not through h():
// there may be many, and an old one never changes.

import { h } from "../dom.js";
import { get, link } from "../api.js";
import { changed, notice, state } from "../store.js";
import { route, setQuery, to } from "../router.js";
import { millis, ms, stamp } from "../format.js";

const most = 2000; // lines that are kept
const first = 200;
const before = 100; // lines that are shown before one that the address names
const breath = 100; // ms in which lines are collected
const pages = 100; // of a thousand lines, in a download
const ever = "2000-01-01T00:00:00Z"; // before every line

export const levels = ["trace", "debug", "info", "warn", "error"];

// liveLog follows the log at path, of a task or a run, which is shown at the place in the address.
export function liveLog(path, showRun, ...place) {
  const log = { level: "", text: "", line: 0, following: true, fresh: 0, count: 0, missing: false, later: false, pointed: null, draft: null };
  let source = null;
  let box = null;
  let lines = [];
  let last = "";
  let timer = null;
  let retry = null;
  let reading = 0; // the number of the reading whose lines belong here
  let marked = null;

  const filters = (more) => {
    const q = new URLSearchParams(more);
    if (log.level) q.set("level", log.level);
    if (log.text) q.set("grep", literal(log.text));
    return `${path}?${q}`;
  };

  const open = () => {
    close();
    if (document.hidden || state.who === null) return;
    source = new EventSource(link(filters({ follow: "true", ...(last ? { after: last } : { tail: first }) })));
    source.addEventListener("log", (e) => {
      take(JSON.parse(e.data));
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

  const take = (line) => {
    if (line.position) last = String(line.position);
    lines.push(line);
  };

  const flush = () => {
    timer = null;
    if (!box) return;
    const all = lines.slice(-most);
    lines = [];
    const part = document.createDocumentFragment();
    for (const line of all) part.append(lineOf(line, showRun, place));
    box.append(part);
    while (box.childElementCount > most) box.firstElementChild.remove();
    log.count = box.childElementCount;
    if (marked) mark(false);
    if (log.following) box.scrollTop = box.scrollHeight;
    else log.fresh += all.length;
    changed();
  };

  // page reads a part of the log from a line on, and follows when it is the end of it.
  const page = async (from) => {
    const mine = ++reading;
    close();
    try {
      const answer = await get(filters(from > 0 ? { after: from } : { since: ever }));
      if (mine !== reading) return;
      answer.items.forEach(take);
      log.later = answer.next_cursor !== null;
      flush();
      log.fresh = 0;
      if (log.line && box) select();
      if (!log.later) open();
    } catch (err) {
      if (mine === reading) notice(`the log cannot be read: ${err.text ?? err.message}`, true);
    }
    changed();
  };

  const anew = () => {
    reading++;
    last = "";
    lines = [];
    marked = null;
    log.count = log.fresh = 0;
    log.later = log.missing = false;
    log.following = !log.line;
    box?.replaceChildren();
    if (log.line) page(log.line - before - 1);
    else open();
  };

  const lineAt = () => box?.querySelector(`[data-position="${log.line}"]`);

  // select shows the line that the address names.
  const select = () => {
    for (const el of box.querySelectorAll(".selected")) el.classList.remove("selected");
    const el = lineAt();
    log.missing = !el;
    el?.classList.add("selected");
    if (el) reveal(box, el);
  };

  const seen = () => {
    if (document.hidden) close();
    else if (!log.later) open();
  };

  log.start = () => {
    document.addEventListener("visibilitychange", seen);
    Object.assign(log, asked());
    if (log.line) anew();
    else open();
  };
  log.stop = () => {
    reading++;
    document.removeEventListener("visibilitychange", seen);
    clearTimeout(timer);
    clearTimeout(typing);
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
    const at = !log.later && box.scrollHeight - box.scrollTop - box.clientHeight < 8;
    if (at === log.following) return;
    log.following = at;
    log.fresh = 0;
    changed();
  };
  log.toEnd = () => {
    if (log.line) setQuery({ line: "" }); // and so follow() begins anew
    log.following = true;
    log.fresh = 0;
    box.scrollTop = box.scrollHeight;
    changed();
  };
  log.more = () => page(last);
  // follow does what the address asks for, when that has changed.
  log.follow = () => {
    const now = asked();
    if (now.level === log.level && now.text === log.text && now.line === log.line) return;
    const same = now.level === log.level && now.text === log.text;
    Object.assign(log, now);
    if (!(same && log.line && lineAt())) return anew();
    log.following = false;
    select();
  };
  // mark shows which lines were written in [from, to); with show it brings the first of them into view.
  log.mark = (from, to, show) => {
    marked = from === null ? null : { from, to };
    mark(show);
  };
  const mark = (show) => {
    let top = null;
    for (const el of box?.children ?? []) {
      const on = marked !== null && el.at >= marked.from && el.at < marked.to;
      el.classList.toggle("marked", on);
      if (on) top ??= el;
    }
    if (!show || !top) return;
    log.following = false;
    reveal(box, top);
  };
  log.point = (e) => log.pointed?.(e.target.closest?.(".line")?.at ?? null);
  log.pick = (e) => {
    const a = e.target.closest?.("a.at");
    if (!a || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    setQuery({ line: a.parentElement.dataset.position });
  };
  // key lets the arrows go from line to line once Enter has gone into them, so that the tabulator can pass them by.
  log.key = (e) => {
    const line = e.target.closest(".line, .gap");
    const near = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[e.key];
    let next = line && near ? line[near] : null;
    while (next && !next.matches(".line")) next = next[near];
    if (e.key === "Enter" && !line) next = firstInSight(box);
    if (e.key === "Escape" && line) box.focus({ preventScroll: true });
    else if (next) next.querySelector("a.at").focus();
    else if (!(line && near)) return;
    e.preventDefault();
  };
  log.download = async (name) => {
    try {
      const parts = [];
      let after = { since: ever };
      for (let n = 0; after && n < pages; n++) {
        const answer = await get(filters(after));
        parts.push(...answer.items.map(plain));
        after = answer.next_cursor && { after: answer.next_cursor };
      }
      if (after) parts.push("… there is more …\n");
      const a = document.createElement("a");
      a.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
      a.download = `${name}.log`;
      a.click();
      setTimeout(() => URL.revokeObjectURL(a.href), 10000);
    } catch (err) {
      notice(`the log cannot be downloaded: ${err.text ?? err.message}`, true);
    }
  };
  return log;
}

function asked() {
  const { query } = route();
  const level = query.get("level");
  return { level: levels.includes(level) ? level : "", text: query.get("text") ?? "", line: Number.parseInt(query.get("line"), 10) || 0 };
}

// firstInSight is the first line that is not scrolled out of the box.
function firstInSight(box) {
  const top = box.getBoundingClientRect().top;
  return [...box.children].find((el) => el.matches(".line") && el.getBoundingClientRect().top >= top - 1);
}

// reveal scrolls the box, and nothing around it, when the line is out of its sight.
function reveal(box, el) {
  const top = el.getBoundingClientRect().top - box.getBoundingClientRect().top;
  if (top < 0 || top > box.clientHeight - 24) box.scrollTop += top - box.clientHeight / 3;
}

const gapText = (line) => `… ${line.gap.toLocaleString("en")} lines are missing …`;
const fieldsText = (line) => Object.entries(line.fields ?? {}).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join(" ");

// plain is a line of a download.
const plain = (line) => (line.gap ? `${gapText(line)}\n` : `${[line.at, line.level.padEnd(5), line.message, fieldsText(line)].join(" ").trimEnd()}\n`);

function lineOf(line, showRun, place) {
  const el = document.createElement("div");
  el.at = ms(line.at);
  if (line.gap) {
    el.className = "gap";
    el.textContent = gapText(line);
    return el;
  }
  el.className = `line at-${levels.includes(line.level) ? line.level : "info"}`;
  el.dataset.position = line.position;
  const part = (cls, text, tag = "span") => {
    const span = document.createElement(tag);
    span.className = cls;
    span.textContent = text;
    el.append(span, " ");
    return span;
  };
  const at = part("at", millis(line.at), "a");
  at.title = `${stamp(line.at)}, line ${line.position}`;
  at.href = `${to(...place)}?line=${line.position}`;
  at.tabIndex = -1; // log.key goes there
  part("level", line.level);
  part("text", line.message);
  const fields = fieldsText(line);
  if (fields) part("fields", fields);
  if (showRun && line.run) part("run", line.run.slice(-6)).title = `run ${line.run}`;
  return el;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// literal is a text as a regular expression that matches nothing else, whatever its case. The host keeps the field n=44 as "n":44.
function literal(text) {
  const field = /^([^=\s]+)=(.*)$/.exec(text);
  return `(?i)${escaped(text)}${field ? `|"${escaped(field[1])}":"?${escaped(field[2])}` : ""}`;
}

let typing = null;

export function logView(log, name) {
  log.follow();
  const type = (e) => {
    const text = log.draft = e.currentTarget.value; // it is the field's until the address has it
    clearTimeout(typing);
    typing = setTimeout(() => {
      log.draft = null;
      setQuery({ text, line: "" });
    }, 250);
  };
  return h("section", { key: "log", class: "card log-card", "aria-label": `log of ${name}` },
    h("div", { class: "card-head" }, h("h2", {}, "Log"),
      h("span", { class: log.following ? "live" : "faint" }, log.following ? "following" : "not following"),
      h("span", { class: "spacer" }),
      h("button", { type: "button", class: "plain", "aria-label": `download the log of ${name}`, on: { click: () => log.download(name) } }, "Download"),
      h("select", { "aria-label": "lowest level", on: { change: (e) => setQuery({ level: e.currentTarget.value, line: "" }) } },
        ["", ...levels].map((l) => h("option", { value: l, selected: l === log.level }, l ? `${l} and above` : "every level"))),
      h("input", { type: "search", class: "grep", placeholder: "only lines with…", "aria-label": "only lines with this text", value: log.draft ?? log.text, on: { input: type } })),
    log.missing && h("p", { class: "why" }, `Line ${log.line} is not there: it is no longer kept, or the level or the text leaves it out.`),
    h("div", { class: "log", role: "log", "aria-live": "off", tabindex: "0", "aria-label": `lines of ${name}; Enter goes into them, arrows from one to the next`, foreign: true, made: log.attach, on: { scroll: log.scrolled, click: log.pick, keydown: log.key, pointerover: log.point, pointerleave: () => log.pointed?.(null) } }),
    !log.count && h("p", { class: "faint none" }, "no lines"),
    !log.following && h("span", { class: "to-end" },
      log.later && h("button", { type: "button", on: { click: log.more } }, "later lines"),
      h("button", { type: "button", on: { click: log.toEnd } }, log.fresh && !log.later ? `${log.fresh} new ↓` : "to the end ↓")));
}
