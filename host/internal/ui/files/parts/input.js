// The dialogs that ask for a value: the input of a run and of a method. The host checks what they send.

import { h } from "../dom.js";
import { get, path, post } from "../api.js";
import { changed, state } from "../store.js";
import { runNow } from "./actions.js";
import { fieldsOf, formFields, jsonOf, read, texts } from "./form.js";
import { closeDialog, closer, frame, submit } from "./overlay.js";

// typeOf is what the plugin says of a task's type; null when that is not to be known.
export async function typeOf(t) {
  const plugin = await get(path`v1/plugins/${t.plugin}`);
  return plugin.types.find((one) => one.name === t.type) ?? null;
}

const asks = (schema, rest) => {
  const fields = fieldsOf(schema);
  return { fields, raw: fields === null, text: "", values: {}, problems: {}, error: "", ...rest };
};

export async function openRun(t) {
  const type = await typeOf(t).catch(() => null); // without a schema JSON text will do
  state.dialog = { kind: "run", task: t.name, view: runView, ...asks(type?.input) };
  changed();
}

export function openMethod(t, method) {
  state.dialog = { kind: "method", task: t.name, method, view: methodView, ...asks(method.input, { result: undefined }) };
  changed();
}

// said is what the person has written, undefined for nothing at all.
function said(d, form) {
  if (!d.raw) return read(d.fields, form);
  const text = String(form.get("json") ?? "").trim();
  return text ? jsonOf(text, "the input") : undefined;
}

// problemsOf gives each field what the host said of it; what belongs to none stays in one line.
function refused(d, err) {
  const own = (err.errors ?? []).filter((e) => !d.raw && d.fields.some((f) => e.path === `input.${f.name}` || e.path.startsWith(`input.${f.name}.`) || e.path.startsWith(`input.${f.name}[`)));
  d.problems = Object.fromEntries(own.map((e) => [/^input\.([^.[]+)/.exec(e.path)[1], e.detail]));
  d.error = own.length ? err.message : err.text ?? err.message;
  changed();
}

// sent gives act what was written, and shows what is wrong with it.
const sent = (d, act) => submit(async (form) => {
  d.problems = {};
  d.error = "";
  try {
    await act(said(d, form), form);
  } catch (err) {
    refused(d, err);
  }
});

// turn writes what stands in the fields as JSON, or the other way round.
function turn(d, el) {
  const form = new FormData(el.form);
  d.error = "";
  try {
    const value = said(d, form);
    const inFields = d.raw ? texts(d.fields, value ?? {}) : {};
    if (inFields === null) throw new Error("the fields cannot say this; it can be sent as JSON");
    Object.assign(d, d.raw ? { raw: false, values: inFields } : { raw: true, text: JSON.stringify(value, null, 2) });
  } catch (err) {
    d.error = err.message;
  }
  changed();
}

const inputs = (d) => [
  d.raw
    ? h("label", { key: "json" }, "Input, as JSON (may stay empty)", h("textarea", { name: "json", rows: 6, spellcheck: false, autofocus: true, value: d.text }))
    : d.fields.length ? formFields(d.fields, d.values, d.problems) : h("p", { key: "none", class: "faint" }, "It takes no input."),
  d.fields?.length > 0 && h("button", { key: "turn", type: "button", class: "plain turn", on: { click: (e) => turn(d, e.currentTarget) } }, d.raw ? "Use the fields" : "Write it as JSON"),
];

function runView(d) {
  const act = async (input, form) => {
    const body = { reason: form.get("reason of the run") };
    if (input !== undefined && !(d.fields && !d.raw && !Object.keys(input).length)) body.input = input;
    const err = await runNow(d.task, body);
    if (err) throw err;
    closeDialog();
  };
  return frame(d, `Run ${d.task} now`,
    h("form", { on: { submit: sent(d, act) } }, inputs(d),
      h("label", { key: "why" }, "Why", h("input", { name: "reason of the run", maxlength: 200, autocomplete: "off" })),
      h("p", { key: "error", class: "error", role: "alert" }, d.error),
      h("div", { key: "choices", class: "choices" }, closer(), h("button", { type: "submit" }, "Run now"))));
}

function methodView(d) {
  const act = async (input) => {
    d.result = undefined;
    d.busy = true;
    changed();
    try {
      d.result = (await post(path`v1/tasks/${d.task}/methods/${d.method.name}`, input)).value;
    } finally {
      d.busy = false;
    }
    changed();
  };
  return frame(d, `${d.method.name} of ${d.task}`, d.method.doc && h("p", { key: "doc" }, d.method.doc),
    h("form", { key: "form", on: { submit: sent(d, act) } }, inputs(d),
      h("p", { key: "error", class: "error", role: "alert" }, d.error),
      d.result !== undefined && h("div", { key: "result", role: "status" }, h("b", {}, "Answer"), h("pre", { tabindex: "0", class: "answer" }, JSON.stringify(d.result, null, 2))),
      h("div", { key: "choices", class: "choices" }, closer("Close"), h("button", { type: "submit", disabled: Boolean(d.busy) }, d.busy ? "Asking…" : "Call"))));
}

// methodsCard lists what a live task can be asked, for those who may with a button.
export function methodsCard(t, type, may) {
  if (!type?.methods?.length) return null;
  return h("section", { key: "methods", class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Methods")),
    h("ul", { class: "methods" }, type.methods.map((m) => h("li", { key: m.name },
      h("b", { class: "mono" }, m.name), h("span", { class: "what" }, m.doc),
      may && h("button", { type: "button", disabled: !t.running.length, title: t.running.length ? null : "only a live task answers", "aria-label": `call ${m.name} of ${t.name}`, on: { click: () => openMethod(t, m) } }, "Call…")))));
}
