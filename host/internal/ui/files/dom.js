// Elements from values: h() describes them, patch() makes the document as described and touches only what differs.
// All text becomes text nodes. No markup is ever parsed.

const svg = "http://www.w3.org/2000/svg";
const properties = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "readOnly"]);
const described = new WeakMap(); // element → what it was last made from
const ticking = new Set();

export function h(tag, props, ...kids) {
  return { tag, key: props?.key, props: props ?? {}, kids: flat(kids) };
}

// lazy is made only when one of deps has changed since the last time.
export const lazy = (key, deps, make) => ({ key, deps, make });

const flat = (kids) => kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false && k !== "");

export function patch(parent, kids) {
  const wanted = flat([kids]);
  const keys = new Set(wanted.map((k) => k.key));
  const kept = new Map();
  for (const node of [...parent.childNodes]) {
    const key = described.get(node)?.key;
    if (key === undefined) continue;
    if (keys.has(key)) kept.set(key, node);
    else node.remove();
  }
  let at = parent.firstChild;
  for (const kid of wanted) {
    const old = kid.key === undefined ? (at && described.get(at)?.key === undefined ? at : null) : kept.get(kid.key);
    const node = fit(old, kid, parent);
    if (node !== at) parent.insertBefore(node, at);
    if (old && old !== node) {
      old.remove();
    }
    at = node.nextSibling;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// fit makes old as kid says, or a new node when old cannot become it.
function fit(old, kid, parent) {
  if (typeof kid !== "object") return fitText(old, String(kid));
  const before = old ? described.get(old) : undefined;
  if (kid.make) {
    if (before?.deps && same(before.deps, kid.deps)) return old;
    const made = kid.make();
    const node = fit(old, { ...made, key: kid.key }, parent);
    described.set(node, { ...described.get(node), deps: kid.deps });
    return node;
  }
  const space = kid.tag === "svg" || (parent.namespaceURI === svg && parent.tagName !== "foreignObject") ? svg : undefined;
  const fits = before && before.tag === kid.tag;
  const node = fits ? old : space ? document.createElementNS(svg, kid.tag) : document.createElement(kid.tag);
  setProps(node, kid.props, fits ? before.props : {});
  described.set(node, { tag: kid.tag, key: kid.key, props: kid.props });
  if (kid.props.tick) tickElement(node, kid.props.tick);
  else if (!kid.props.foreign) patch(node, kid.kids);
  if (!fits && kid.props.made) kid.props.made(node);
  return node;
}

function fitText(old, text) {
  if (old?.nodeType !== Node.TEXT_NODE) return document.createTextNode(text);
  if (old.data !== text) old.data = text;
  return old;
}

const same = (a, b) => a.length === b.length && a.every((v, i) => Object.is(v, b[i]));

const special = new Set(["key", "on", "tick", "made", "foreign"]);

function setProps(el, props, before) {
  for (const name in before) if (!(name in props) && !special.has(name)) setProp(el, name, null);
  for (const name in props) if (!special.has(name) && props[name] !== before[name]) setProp(el, name, props[name]);
  for (const type in props.on ?? {}) if (!before.on?.[type]) el.addEventListener(type, dispatch);
}

function dispatch(event) {
  described.get(event.currentTarget)?.props.on?.[event.type]?.(event);
}

function setProp(el, name, value) {
  if (name.startsWith("on") || name === "style") throw new Error(`${name} is no attribute of the page`);
  if ((name === "href" || name === "src") && value !== null && !/^(#|\.\.?\/)/.test(value)) throw new Error("links stay on the host");
  if (properties.has(name)) el[name] = value ?? (typeof el[name] === "boolean" ? false : "");
  else if (value === null || value === undefined || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? "" : String(value));
}

// An element with a tick shows what the tick says now, each second, without anything around it being made again.
function tickElement(el, tick) {
  ticking.add(el);
  const text = tick();
  if (el.textContent !== text) el.textContent = text;
}

export function tickAll() {
  for (const el of ticking) {
    const tick = el.isConnected ? described.get(el)?.props.tick : null;
    if (tick) tickElement(el, tick);
    else ticking.delete(el);
  }
}
