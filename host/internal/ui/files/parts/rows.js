// What happened to tasks, and what will, in a span of time: read task by task, those in view first, and again when
// something of a task has ended or did not run.

import { get, path } from "../api.js";
import { changed, follow, state } from "../store.js";
import { ms, now } from "../format.js";

const most = 200; // runs, records and slots of one task
const fresh = 3000; // ms for which a row is not read again
const atOnce = 4;

// reader keeps the rows of the tasks that were wanted last.
export function reader() {
  const rows = new Map(); // task → {key, at, runs, slots, ahead, whole}
  const wanted = new Map(); // task → the span that it is wanted for
  let busy = 0;
  let stop = null;
  let timer = null;

  const due = (name, span) => {
    const row = rows.get(name);
    return !row || row.key !== span.key || (row.stale && row.at + fresh < Date.now());
  };

  const next = () => {
    for (const [name, span] of wanted) {
      if (busy >= atOnce) return;
      const row = rows.get(name);
      if (row?.busy || !due(name, span)) continue;
      busy++;
      read(name, span).finally(() => {
        busy--;
        changed();
        next();
      });
    }
  };

  const read = async (name, span) => {
    const before = rows.get(name) ?? { runs: [], slots: [], ahead: [], since: span.from };
    rows.set(name, { ...before, key: span.key, busy: true });
    try {
      rows.set(name, { ...(await load(name, span)), key: span.key, at: Date.now() });
    } catch {
      rows.set(name, { ...before, key: span.key, at: Date.now(), stale: true }); // the connection says what is wrong
    }
  };

  return {
    of: (name) => rows.get(name),
    // want says which tasks are to be known for the span; others are let go.
    want: (names, span) => {
      wanted.clear();
      for (const name of names) wanted.set(name, span);
      for (const name of rows.keys()) if (!state.tasks.has(name)) rows.delete(name);
      next();
    },
    start: () => {
      stop = follow((e) => {
        if (e.topic === "reset") for (const row of rows.values()) row.stale = true;
        const row = rows.get(e.task);
        if (row && (e.topic === "slot" || (e.topic === "run" && e.kind !== "progress"))) row.stale = true;
      });
      timer = setInterval(next, 1000);
    },
    stop: () => {
      stop?.();
      clearInterval(timer);
      wanted.clear();
    },
  };
}

const iso = (at) => new Date(at).toISOString();

async function load(name, span) {
  const periodic = state.tasks.get(name)?.mode === "periodic";
  const begin = Math.max(now(), span.from);
  const back = span.from - (span.to - span.from) / 2; // what was queued before may still run in the span
  const [runs, slots, ahead] = await Promise.all([
    get(path`v1/tasks/${name}/runs` + `?since=${iso(back)}&until=${iso(span.to)}&limit=${most}`),
    periodic ? get(path`v1/tasks/${name}/slots` + `?since=${iso(span.from)}&limit=${most}`) : { items: [] },
    periodic && begin < span.to ? get(path`v1/tasks/${name}/schedule` + `?from=${iso(begin)}&to=${iso(span.to)}&limit=${most}`) : { items: [] },
  ]);
  const oldest = runs.next_cursor ? Math.min(...runs.items.filter((r) => r.state === "ended").map((r) => ms(r.queued_at))) : 0;
  return {
    runs: runs.items.filter((r) => r.started_at).map((r) => ({ id: r.id, from: ms(r.started_at), to: r.ended_at ? ms(r.ended_at) : Infinity, word: r.state === "ended" ? r.outcome : r.state })),
    slots: slots.items.map((s) => ({ from: ms(s.first), to: ms(s.last), n: s.count, reason: s.reason, by: s.by })),
    ahead: ahead.items.map((s) => ({ at: ms(s.at), held: s.held })),
    since: oldest, // what was before is not among runs
    until: ahead.items.length >= most ? ms(ahead.items.at(-1).at) : Infinity, // what comes after is not in ahead
  };
}
