// Arithmetic of time lines: what lies beside what, where the marks of an axis belong, when clocks are changed.

const minute = 60000;
const hour = 60 * minute;

// zooms are how much of time a line shows, with the distance of its marks and how often it moves on, in ms.
export const zooms = {
  "1h": { span: hour, mark: 10 * minute, step: 15000 },
  "6h": { span: 6 * hour, mark: hour, step: 2 * minute },
  "24h": { span: 24 * hour, mark: 3 * hour, step: 5 * minute },
  "7d": { span: 168 * hour, mark: 24 * hour, step: hour / 2 },
};

// windowAt is the span of time around a moment, a third before and two thirds after it, moved on in steps.
export function windowAt(zoom, at) {
  const { span, step } = zooms[zoom];
  const from = Math.round((at - span / 3) / step) * step;
  return { from, to: from + span };
}

const formats = new Map();

// offset is how far the wall clock of a zone is ahead of UTC at a moment, in minutes. A zone that the browser does not know is UTC.
export function offset(zone, at) {
  if (!formats.has(zone)) {
    const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    let format;
    try {
      format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: zone });
    } catch {
      format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" });
    }
    formats.set(zone, format);
  }
  const part = Object.fromEntries(formats.get(zone).formatToParts(at).map((p) => [p.type, Number(p.value)]));
  const wall = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute);
  return Math.round((wall - Math.floor(at / minute) * minute) / minute);
}

// changes are the moments in [from, to) at which the clocks of a zone are put forward or back: {at, by}, by in minutes.
export function changes(zone, from, to) {
  const found = [];
  for (let a = from; a < to; a += 6 * hour) {
    const b = Math.min(to, a + 6 * hour);
    const before = offset(zone, a);
    const by = offset(zone, b) - before;
    if (!by) continue;
    let low = a;
    let high = b;
    while (high - low > minute) {
      const middle = low + Math.floor((high - low) / 2 / minute) * minute;
      if (offset(zone, middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: Math.ceil(high / minute) * minute, by });
  }
  return found;
}

// marks are the moments in [from, to] at which the wall clock of the zone shows a round time.
export function marks(zone, from, to, every) {
  const grid = Math.min(every, hour);
  const found = [];
  for (let at = Math.ceil(from / grid) * grid; at <= to; at += grid / (grid === hour ? 4 : 1)) {
    const wall = at + offset(zone, at) * minute;
    if (wall % every === 0) found.push(at);
  }
  return found;
}

// lanes gives each span [{from, to}] the lowest lane in which it lies on no other. Spans that only touch do not overlap.
export function lanes(spans) {
  const ends = [];
  return spans.toSorted((a, b) => a.from - b.from).map((s) => {
    const free = ends.findIndex((end) => end <= s.from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = s.to;
    return { ...s, lane };
  });
}

// atOnce says how many spans lie over each other, as steps [{from, to, n}] in order, those with none left out.
export function atOnce(spans) {
  const edges = spans.filter((s) => s.to > s.from).flatMap((s) => [[s.from, 1], [s.to, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const steps = [];
  let n = 0;
  edges.forEach(([at, by], i) => {
    n += by;
    const next = edges[i + 1]?.[0];
    if (!n || next === undefined || next === at) return;
    if (steps.at(-1)?.to === at && steps.at(-1).n === n) steps.at(-1).to = next;
    else steps.push({ from: at, to: next, n });
  });
  return steps;
}
