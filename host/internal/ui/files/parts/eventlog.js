// The newest events since the page was opened, in memory, and where some are missing.

import { follow } from "../store.js";

const most = 500;

let kept = []; // oldest first
let gaps = 0;

follow((e) => {
  if (e.topic === "left") kept = [];
  else if (e.topic === "reset" && e.seq) kept.push({ ...e, gap: true, key: `gap ${++gaps}` });
  else if (e.seq) kept.push({ ...e, key: String(e.seq) });
  if (kept.length > 2 * most) kept = kept.slice(-most);
});

export const events = () => kept.slice(-most);
export const beganAt = new Date().toISOString();
