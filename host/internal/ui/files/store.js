// The one owner of what the page knows. Views read it; only what the host says changes it.

import { get, getDated, link, pageTag, path, Problem, login, logout } from "./api.js";
import { setHostTime } from "./format.js";

export const state = {
  who: undefined, // undefined: not known yet; null: nobody, so log in
  host: null,
  tasks: new Map(),
  version: 0, // rises when tasks change
  usage: new Map(), // task → {cpu, rss}: what its processes take
  queues: [],
  loaded: false,
  link: "connecting", // live, lost
  lostAt: 0,
  loginError: "",
  outdated: false, // the host was replaced by one of another version, or with another page
  pending: new Map(), // task → what was asked of it and has not been answered
  notices: [], // results of actions, newest last
  menu: null,
  dialog: null,
};

let draw = () => {};
let asked = false;

export const onChange = (fn) => {
  draw = fn;
};

// changed asks for one drawing of whatever has changed until then.
export function changed() {
  if (asked) return;
  asked = true;
  const run = () => {
    asked = false;
    draw();
  };
  if (document.hidden) setTimeout(run, 50);
  else requestAnimationFrame(run);
}

export const mayAct = () => ["operator", "admin"].includes(state.who?.role) && state.link === "live";
export const mayRule = () => state.who?.role === "admin" && state.link === "live";

// ---- what views follow beside the tasks: told of each event, and to begin anew after a gap

const followers = new Set();

export function follow(follower) {
  followers.add(follower);
  return () => followers.delete(follower);
}

const tellAll = (event) => {
  for (const follower of followers) follower(event);
};

// ---- loading

const portion = 200; // tasks that are read at a time: the page does other things in between

async function loadTasks() {
  const all = new Map();
  let cursor = "";
  do {
    const page = await get(`v1/tasks?limit=${portion}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    for (const task of page.items) all.set(task.name, unlessSame(keepConfig(apart(task))));
    cursor = page.next_cursor;
  } while (cursor);
  state.tasks = all;
  state.version++;
}

async function loadTask(name) {
  try {
    const task = unlessSame(apart(await get(path`v1/tasks/${name}`)));
    if (state.tasks.get(name) !== task) state.version++;
    state.tasks.set(name, task);
  } catch (err) {
    if (err.status !== 404 && err.status !== 410) throw err;
    state.tasks.delete(name);
    state.version++;
  }
}

// apart keeps what changes all the time away from the task: what shows the rest need not be made again for it.
function apart(task) {
  const known = (task.processes ?? []).filter((p) => p.usage);
  if (known.length) state.usage.set(task.name, { cpu: sum(known, (u) => u.cpu_percent), rss: sum(known, (u) => u.rss_bytes), of: new Map(known.map((p) => [p.pid, p.usage])) });
  else state.usage.delete(task.name);
  for (const p of known) delete p.usage;
  return task;
}

const sum = (processes, of) => processes.reduce((n, p) => n + of(p.usage), 0);

// unlessSame is the task as it was known when nothing of it has changed: what shows it need not be made again.
function unlessSame(task) {
  const before = state.tasks.get(task.name);
  return before && JSON.stringify(before) === JSON.stringify(task) ? before : task;
}

// keepConfig: only the answer about one task has its config.
function keepConfig(task) {
  const config = state.tasks.get(task.name)?.config;
  return config && !task.config ? { ...task, config } : task;
}

const loadQueues = async () => {
  state.queues = (await get("v1/queues")).items;
};

const loadHost = async () => {
  state.host = await get("v1/host");
};

async function loadAll() {
  await Promise.all([loadTasks(), loadQueues(), loadHost()]);
  state.loaded = true;
}

// ---- events: they say what has changed, and a moment later it is read, together with what changed meanwhile

const least = 300; // ms between two readings
const single = 8; // so many tasks are read one by one, or a twentieth of all; more in one list
const dirty = { tasks: new Set(), queues: false, host: false, all: false };
let reading = null;
let cost = 0;

export function soil(name) {
  if (name) dirty.tasks.add(name);
  plan();
}

function plan() {
  reading ??= setTimeout(read, Math.max(least, 3 * cost));
}

async function read() {
  const { all, queues, host } = dirty;
  const names = [...dirty.tasks];
  Object.assign(dirty, { tasks: new Set(), queues: false, host: false, all: false });
  const began = performance.now();
  try {
    const work = [];
    if (all || names.length > Math.max(single, state.tasks.size / 20)) work.push(loadTasks());
    else work.push(...names.map(loadTask));
    if (all || queues) work.push(loadQueues());
    if (all || host) work.push(loadHost());
    await Promise.all(work);
    for (const name of names) tellAll({ topic: "read", task: name });
  } catch (err) {
    lost(err);
  }
  cost = performance.now() - began;
  reading = null;
  changed();
  if (dirty.tasks.size || dirty.queues || dirty.host || dirty.all) plan();
}

function take(event) {
  seen = event.seq;
  if (event.topic === "reset") dirty.all = true;
  if (event.topic === "host") dirty.host = true;
  if (event.topic === "config") dirty.all = dirty.host = dirty.queues = true;
  if (event.topic === "queue") dirty.queues = true;
  if (event.task) dirty.tasks.add(event.task);
  tellAll(event);
  plan();
}

// ---- the connection

const beat = 15000; // how often the host is asked for a sign of life
const topics = ["task", "run", "slot", "state", "queue", "config", "host", "reset"];
let source = null;
let beating = null;
let retry = null;
let tries = 0;
let seen = 0; // the newest event: what comes after it is sent again when the connection was lost
let knownAs = null;

// connect finds out who looks at the page, reads everything and follows what changes. It tries until it can.
export async function connect() {
  clearTimeout(retry);
  retry = null;
  try {
    const answer = await getDated("v1/whoami");
    setHostTime(answer.date);
    state.who = answer.value;
    if (knownAs !== state.who.name) forget();
    knownAs = state.who.name;
    state.loginError = "";
    open();
    await loadAll();
    await compare();
    tries = 0;
    state.link = "live";
    state.lostAt = 0;
    tellAll({ topic: "reset" });
  } catch (err) {
    lost(err);
  }
  changed();
}

// The page as it was served when it was loaded, and the version of the host that was seen first.
const loaded = pageTag().catch(() => "");
let version = "";

async function compare() {
  const [was, is] = await Promise.all([loaded, pageTag()]);
  version ||= state.host.version;
  state.outdated = (was !== "" && is !== was) || state.host.version !== version;
}

// forget lets go of what the last person has seen.
function forget() {
  seen = 0;
  tellAll({ topic: "left" });
}

function open() {
  close();
  const one = new EventSource(link(seen ? `v1/events?last_event_id=${seen}` : "v1/events"));
  source = one;
  for (const topic of topics) one.addEventListener(topic, (e) => take(JSON.parse(e.data)));
  one.onerror = () => {
    if (source === one) lost(null);
  };
  beating = setInterval(pulse, beat);
}

function close() {
  source?.close();
  source = null;
  clearInterval(beating);
}

async function pulse() {
  try {
    const answer = await getDated("v1/whoami");
    if (answer.value.role !== state.who?.role) state.who = answer.value;
    dirty.host = true;
    for (const t of state.tasks.values()) if (t.processes?.length) dirty.tasks.add(t.name); // no event says what they take
    dirty.queues ||= state.queues.length > 0;
    plan();
  } catch (err) {
    lost(err);
  }
}

// lost marks what is shown as old, and tries again: soon at first, then every few seconds.
function lost(err) {
  close();
  if (err instanceof Problem && err.status === 401) {
    signedOut();
    return;
  }
  if (state.link !== "lost") {
    state.link = "lost";
    state.lostAt = Date.now();
  }
  if (!document.hidden) retry ??= setTimeout(connect, Math.min(5000, 250 * 2 ** tries++));
  changed();
}

function signedOut() {
  clearTimeout(retry);
  retry = null;
  state.who = null;
  state.menu = null;
  state.dialog = null;
  changed();
}

// Nobody sees a hidden page: it gives its connection back, and reads anew when it is looked at.
document.addEventListener("visibilitychange", () => {
  if (state.who === null || state.who === undefined) return;
  if (document.hidden) {
    close();
    clearTimeout(retry);
    retry = null;
  } else if (!source) connect();
});

// ---- who looks at the page

export async function enter(how) {
  try {
    await login(how);
    state.loginError = "";
    await connect();
    return true;
  } catch (err) {
    state.who = null;
    state.loginError = err.text ?? String(err);
    changed();
    return false;
  }
}

export async function leave() {
  await logout().catch(() => {});
  close();
  signedOut();
  knownAs = null;
  state.tasks = new Map();
  state.version++;
  state.queues = [];
  state.host = null;
  state.loaded = false;
  changed();
}

// ---- results of actions

let noticeID = 0;
const noticeLife = 8000;

export function notice(text, bad = false) {
  const one = { id: ++noticeID, text, bad };
  state.notices = [...state.notices.slice(-3), one];
  setTimeout(() => dismiss(one.id), bad ? 2 * noticeLife : noticeLife);
  changed();
}

export function dismiss(id) {
  state.notices = state.notices.filter((n) => n.id !== id);
  changed();
}
