// A resource is something of the host that one view shows: read when the view opens, and again when an event says so.

import { changed, follow } from "../store.js";

const pause = 500; // ms between two readings of one resource

let open = null; // {key, resources}

// resources keeps those of the view that is open, by its key, and lets go of those of the one before.
export function resources(key, make) {
  if (open?.key === key) return open.parts;
  release();
  const parts = make();
  open = { key, parts };
  for (const r of Object.values(parts)) r.start?.();
  return parts;
}

export function release() {
  for (const r of Object.values(open?.parts ?? {})) r.stop?.();
  open = null;
}

// resource reads with load; wants says which events make it old. What changes without an event is read every so many ms.
export function resource(load, wants, every) {
  const one = { value: null, error: null };
  let stop = null;
  let timer = null;
  let clock = null;
  let gone = false;
  let reading = false;
  let next = null; // when to read again: somebody asked while it was read
  const read = async () => {
    timer = null;
    reading = true;
    try {
      const value = await load(one.value);
      if (gone) return;
      one.value = value;
      one.error = null;
    } catch (err) {
      if (gone) return;
      one.error = err;
    }
    reading = false;
    if (next !== null) one.again(next);
    next = null;
    changed();
  };
  one.again = (wait = 0) => {
    if (reading) {
      next = Math.min(wait, next ?? wait);
      return;
    }
    if (!wait) clearTimeout(timer);
    timer = wait && timer ? timer : setTimeout(read, wait);
  };
  one.start = () => {
    stop = follow((e) => {
      if (e.topic === "reset" || wants?.(e)) one.again(pause);
    });
    if (every) clock = setInterval(() => document.hidden || one.again(), every);
    one.again();
  };
  one.stop = () => {
    gone = true;
    clearTimeout(timer);
    clearInterval(clock);
    stop?.();
  };
  return one;
}
