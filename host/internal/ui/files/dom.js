// How this page uses preact: h() describes an element, patch() makes the document as described and touches only what
// differs. Text becomes text nodes, no markup is ever parsed, and no link leads away from the host.

import { Component, createElement, render } from "./vendor/preact/preact.js";

const written = new Set(["input", "textarea"]); // what a person writes into
const fields = new Map([["value", ""], ["checked", false]]); // and what is in them when nothing is said
const special = new Set(["tick", "made", "foreign"]);
const ticking = new Set();
const begun = new WeakSet();

// h describes an element. Beside attributes its props may have:
//   key      by which it is found again among its siblings
//   on       what to do at which event
//   tick     its text, asked for now and each second, without anything around it being made again
//   made     called with the element, once
//   foreign  its children are somebody else's
export function h(tag, props, ...kids) {
  const attributes = {};
  const field = written.has(tag);
  let own = field ? {} : null;
  for (const name in props) {
    const value = props[name];
    if (value === null || value === undefined) continue;
    if (name === "on") for (const type in value) attributes[`on${type}`] = value[type];
    else if (special.has(name) || (field && fields.has(name))) (own ??= {})[name] = value;
    else attributes[allowed(name, value)] = value;
  }
  const inner = kids.length === 1 && Array.isArray(kids[0]) ? kids[0] : kids;
  return own ? createElement(Owning, { key: attributes.key, tag, attributes, own, inner }) : createElement(tag, attributes, inner);
}

// lazy is made only when one of deps has changed since the last time.
export const lazy = (key, deps, make) => createElement(Lazy, { key, deps, make });

export function patch(parent, kids) {
  if (!begun.has(parent)) parent.replaceChildren(); // what stood there until now
  begun.add(parent);
  render(kids, parent);
}

export function tickAll() {
  for (const one of ticking) one.say();
}

// What would make markup of text or a style of an attribute, and what only this file gives to preact.
const barred = /^on|^style$|html|^srcdoc$|^xlink|^(ref|children|is)$/i;
const known = new Set();

function allowed(name, value) {
  if (!known.has(name) && barred.test(name)) throw new Error(`${name} is no attribute of the page`);
  known.add(name);
  if ((name === "href" || name === "src") && !/^(#|\.\.?\/)/.test(value)) throw new Error("links stay on the host");
  return name;
}

class Lazy extends Component {
  shouldComponentUpdate({ deps }) {
    return deps.length !== this.props.deps.length || deps.some((v, i) => !Object.is(v, this.props.deps[i]));
  }

  render({ make }) {
    return make();
  }
}

// Owning is an element of which something is not left to preact: text that ticks, children of somebody else, and
// fields, which are set only when their description has changed. What a person has written stays, whatever is drawn.
class Owning extends Component {
  el = null;
  fresh = false;
  hold = (el) => { // one function for good: preact calls another one again
    if (!el || el === this.el) return;
    this.el = el;
    this.fresh = true;
  };

  componentDidMount() {
    this.settle({});
  }

  componentDidUpdate({ own }) {
    this.settle(own);
  }

  componentWillUnmount() {
    ticking.delete(this);
  }

  settle(before) {
    const { own } = this.props;
    const { el, fresh } = this;
    this.fresh = false;
    for (const [name, empty] of fields) {
      if (own[name] !== (fresh ? undefined : before[name])) el[name] = own[name] ?? empty;
    }
    if (own.tick) {
      ticking.add(this);
      this.say(fresh);
    } else ticking.delete(this);
    if (fresh) own.made?.(el);
  }

  say(anew = false) {
    const text = this.props.own.tick();
    if (anew || text !== this.text) this.el.textContent = text;
    this.text = text;
  }

  render({ tag, attributes, own, inner }) {
    const theirs = Boolean(own.tick || own.foreign);
    return createElement(tag, { ...attributes, key: theirs, ref: this.hold }, theirs ? null : inner);
  }
}
