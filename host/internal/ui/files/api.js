// The host's public API, and the session of this page. All addresses are relative: a proxy may have put a path before.

const root = new URL("../", document.baseURI);

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || `the host answered ${status}`);
    this.status = status;
    this.code = body.code;
    this.remedy = body.remedy;
    this.errors = body.errors ?? [];
    this.diagnostics = body.diagnostics ?? [];
  }

  // text is all that a person needs to know.
  get text() {
    const fields = this.errors.map((e) => `${e.path}: ${e.detail}`);
    return [this.message, ...fields, this.remedy].filter(Boolean).join("; ");
  }
}

export class Unreachable extends Error {
  get text() {
    return "the host does not answer";
  }
}

export const link = (path) => new URL(path, root).href;

async function request(method, path, body, timeout, headers = {}) {
  let res;
  try {
    res = await fetch(link(path), {
      method,
      credentials: "same-origin",
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    });
  } catch (err) {
    throw new Unreachable(err.message);
  }
  const text = await res.text().catch(() => "");
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = { detail: `the answer is no JSON (${res.status})` };
    if (res.ok) throw new Problem(502, value);
  }
  if (!res.ok) throw new Problem(res.status, value ?? {});
  return { status: res.status, value, date: res.headers.get("Date") };
}

export const get = async (path, timeout = 15000) => (await request("GET", path, undefined, timeout)).value;
export const post = (path, body = {}, timeout = 60000, headers = {}) => request("POST", path, body, timeout, headers);
export const getDated = (path) => request("GET", path, undefined, 10000);

// pageTag tells the page that the host serves now from the one that it served before.
export async function pageTag() {
  const res = await fetch(link("ui/"), { cache: "no-store", signal: AbortSignal.timeout(10000) });
  return res.headers.get("ETag")?.replace(/^W\//, "") ?? "";
}

export const login = (how) => post("ui/login", { ...how, base: root.pathname });
export const logout = () => post("ui/logout");

// path writes a path of the API with its names escaped.
export const path = (strings, ...names) => strings.reduce((all, part, i) => all + encodeURIComponent(names[i - 1]) + part);
