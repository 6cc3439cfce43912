// The page: what is shown follows from what is known and from the address.

import { patch, h, tickAll } from "./dom.js";
import { changed, connect, enter, follow, leave, onChange, state } from "./store.js";
import { onRoute, route, to } from "./router.js";
import { onKey } from "./keys.js";
import { closeMenu, dialog, menu, notices } from "./parts/overlay.js";
import { release } from "./parts/resource.js";
import { stripOf, want } from "./parts/strip.js";
import { since } from "./format.js";
import { login } from "./views/login.js";
import { overview } from "./views/overview.js";
import { task } from "./views/task.js";
import { run } from "./views/run.js";
import { queue, queues } from "./views/queues.js";
import { configuration } from "./views/config.js";
import { plugin, plugins } from "./views/plugins.js";
import { audit, eventsView } from "./views/events.js";
import { pipeline } from "./views/pipeline.js";
import { timeline } from "./views/timeline.js";

const app = document.getElementById("app");

function view() {
  const { parts } = route();
  if (parts[0] === "tasks" && parts.length === 2) return task(parts[1]);
  if (parts[0] === "runs" && parts.length === 2) return run(parts[1]);
  if (parts[0] === "queues") return parts.length === 2 ? queue(parts[1]) : queues();
  if (parts[0] === "config") return configuration();
  if (parts[0] === "plugins") return parts.length === 2 ? plugin(parts[1]) : plugins();
  if (parts[0] === "events") return eventsView();
  if (parts[0] === "audit") return audit();
  if (parts[0] === "pipeline") return pipeline();
  if (parts[0] === "timeline") return timeline();
  release();
  return overview();
}

function header() {
  const { parts } = route();
  const dead = state.queues.reduce((n, q) => n + q.dead_letters, 0);
  const tab = (href, text, on) => h("a", { href, "aria-current": on ? "page" : null }, text);
  const host = state.host;
  return h("header", { class: "top" },
    h("a", { class: "skip", href: location.hash || "#/", on: { click: (e) => { e.preventDefault(); document.getElementById("main")?.focus(); } } }, "skip to the content"),
    h("a", { class: "brand", href: to() }, h("img", { src: "./icon.svg", alt: "", width: 22, height: 22 }), "taskhost"),
    h("nav", { "aria-label": "views" }, tab(to(), "Tasks", !parts.length || parts[0] === "tasks" || parts[0] === "runs"),
      tab(to("queues"), ["Queues", dead > 0 && h("span", { class: "badge", title: "dead letters" }, dead)], parts[0] === "queues"),
      tab(to("pipeline"), "Pipeline", parts[0] === "pipeline"), tab(to("timeline"), "Timeline", parts[0] === "timeline"),
      tab(to("plugins"), "Plugins", parts[0] === "plugins"), tab(to("config"), "Configuration", parts[0] === "config"),
      tab(to("events"), "Events", parts[0] === "events" || parts[0] === "audit")),
    h("span", { class: "spacer" }),
    host && h("span", { class: "faint host" }, `${host.version} · generation ${host.generation}`, host.state !== "running" && h("b", { class: "chip" }, host.state)),
    state.who && h("span", { class: "faint who", title: `role ${state.who.role}` }, `${state.who.name}`),
    h("button", { type: "button", class: "plain", "aria-label": "keys", on: { click: () => { state.dialog = { kind: "help" }; changed(); } } }, "?"),
    state.who?.via === "token" && h("button", { type: "button", class: "plain", on: { click: leave } }, "Log out"));
}

// banner says what a person must not overlook: that what is shown is old, or that the host is not well.
function banner() {
  if (state.link === "lost" && state.lostAt) {
    return h("p", { class: "banner bad", role: "alert" }, "Connection lost. What you see is ",
      h("b", { tick: () => `${since(new Date(state.lostAt).toISOString())} old` }), "; trying again…");
  }
  if (state.outdated) {
    return h("p", { class: "banner warn", role: "alert" }, `The host was replaced by version ${state.host.version}; this page came with the one before. `,
      h("button", { type: "button", on: { click: () => location.reload() } }, "Reload the page"));
  }
  const reasons = state.host?.health?.status === "degraded" ? state.host.health.reasons ?? [] : [];
  return reasons.length ? h("p", { class: "banner warn", role: "alert" }, reasons.map((r) => r.text).join("; ")) : null;
}

const place = () => route().parts.join("/");
let shown = place();

// arrive puts the reader at the beginning of a view that has just been opened.
function arrive() {
  if (place() === shown) return;
  shown = place();
  scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
}

function draw() {
  const focused = document.activeElement;
  const stale = state.link === "lost";
  app.className = stale ? "stale" : "";
  if (state.who === null) patch(app, [login()]);
  else if (!state.loaded) patch(app, [state.link === "lost" ? banner() : h("p", { class: "boot" }, "reading…")]);
  else patch(app, [header(), banner(), view(), menu(), dialog(), notices()]);
  if (focused !== document.activeElement && focused?.isConnected && document.activeElement === document.body) focused.focus({ preventScroll: true });
  arrive();
  document.title = title();
}

function title() {
  const { parts } = route();
  const bad = [...state.tasks.values()].filter((t) => t.state === "failed" || t.state === "crash_loop").length;
  const place = parts[1] ?? parts[0] ?? "";
  return [bad ? `${bad} failed` : "", place, "taskhost"].filter(Boolean).join(" · ");
}

// A strip that somebody has seen is read again when a run of its task has ended or a slot did not run.
follow((e) => {
  if ((e.topic === "run" && e.kind === "ended") || e.topic === "slot") {
    const one = stripOf(e.task);
    if (one) want(e.task, one.periodic, true);
  }
});

function start() {
  onChange(draw);
  onRoute(() => {
    state.menu = null;
    if (place() !== shown) state.dialog = null;
    changed();
  });
  addEventListener("keydown", onKey);
  addEventListener("pointerdown", (e) => {
    if (state.menu && !e.target.closest(".menu, .more")) closeMenu();
  });
  setInterval(tickAll, 1000);
  const once = /^#once=(.+)$/.exec(location.hash)?.[1];
  if (!once) return connect();
  history.replaceState(null, "", to());
  return enter({ once });
}

start();
