// How times, lengths and schedules read.

let skew = 0; // how far the host's clock is ahead of this one's, in ms

export const now = () => Date.now() + skew;
export const setHostTime = (text) => {
  const at = Date.parse(text ?? "");
  if (!Number.isNaN(at) && Math.abs(at - Date.now()) > 2000) skew = at - Date.now();
};
export const ms = (text) => (text ? Date.parse(text) : NaN);

// length is a length of time in its largest unit or two: 31 ms, 4.2 s, 12 s, 3 m 20 s, 2 h 5 m, 4 d.
export function length(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return "";
  const s = Math.abs(seconds);
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${Math.round(s * 1e3)} ms`;
  if (s < 10) return `${Math.floor(s * 10) / 10} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return two(s, 60, "m", 1, "s");
  if (s < 172800) return two(s, 3600, "h", 60, "m");
  return `${Math.floor(s / 86400)} d`;
}

function two(s, big, bigName, small, smallName) {
  const a = Math.floor(s / big);
  const b = Math.floor((s - a * big) / small);
  return b ? `${a} ${bigName} ${b} ${smallName}` : `${a} ${bigName}`;
}

export const whole = (seconds) => length(Math.max(0, Math.round(seconds)) || 0.0001).replace("100 µs", "0 s");

export const ago = (text) => (text ? `${whole((now() - ms(text)) / 1000)} ago` : "");
export const since = (text) => (text ? whole((now() - ms(text)) / 1000) : "");

export const left = (text) => whole(Math.max(0, (ms(text) - now()) / 1000));

export function until(text) {
  if (!text) return "";
  const left = (ms(text) - now()) / 1000;
  return left < 0.5 ? "now" : `in ${whole(left)}`;
}

const formats = new Map();
function formatter(zone, options) {
  const key = `${zone}|${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    let f;
    try {
      f = new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: zone || undefined });
    } catch {
      f = new Intl.DateTimeFormat("sv-SE", options);
    }
    formats.set(key, f);
  }
  return formats.get(key);
}

const full = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const clockParts = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

// stamp is a time with its date, in the zone; the viewer's own when it is left out.
export const stamp = (text, zone) => (text ? `${formatter(zone, full).format(ms(text))}${zone ? ` ${zone}` : ""}` : "");

// clock is a time, with its date when that is not today.
export function clock(text) {
  if (!text) return "";
  const at = stamp(text);
  return at.slice(0, 10) === formatter("", full).format(now()).slice(0, 10) ? formatter("", clockParts).format(ms(text)) : at;
}

export const millis = (text) => (text ? `${clock(text)}.${String(ms(text) % 1000).padStart(3, "0")}` : "");

export const viewerZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024 || unit === "GiB") return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
}

// rate is so many a second; nothing for none.
export function rate(n) {
  if (!n) return "";
  if (n < 0.05) return "<0.1/s";
  return `${n < 10 ? n.toFixed(1) : Math.round(n)}/s`;
}

export const load = (percent) => `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;

const spelled = (n) => /^\d+$/.test(n);
const hhmm = (hour, minute) => `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;

// cronWords reads the common patterns aloud; others stay as they are written.
export function cronWords(text) {
  const [minute, hour, day, month, weekday, ...rest] = text.split(/\s+/);
  if (rest.length || weekday === undefined || month !== "*") return `cron ${text}`;
  if (spelled(day) && spelled(hour) && spelled(minute) && weekday === "*") return `on day ${day} of each month at ${hhmm(hour, minute)}`;
  if (day !== "*") return `cron ${text}`;
  const on = weekday === "*" ? "every day" : weekday;
  if (spelled(minute) && spelled(hour)) return `${on} at ${hhmm(hour, minute)}`;
  if (weekday !== "*") return `cron ${text}`;
  if (spelled(minute) && hour === "*") return `every hour at :${minute.padStart(2, "0")}`;
  if (/^\*\/\d+$/.test(minute) && hour === "*") return `every ${minute.slice(2)} minutes`;
  return `cron ${text}`;
}

export function scheduleWords(task) {
  const text = task.mode_text ?? "";
  if (!text.startsWith("cron ")) return text;
  const zone = task.time_zone && task.time_zone !== viewerZone() ? ` ${task.time_zone}` : "";
  return text.slice(5).split(" | ").map(cronWords).join("; ") + zone;
}
