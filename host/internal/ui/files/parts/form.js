// A form from a JSON schema: a field for each property that a field can hold, and JSON text for everything else.

import { h } from "../dom.js";
import { resolved, typesOf } from "./schema.js";

// kindOf is how a property is asked for: text, number, choice, or json for what no field can say.
function kindOf(s) {
  const types = typesOf(s);
  if (s.enum) return "choice";
  if (types.length !== 1) return "json";
  if (types[0] === "boolean") return "choice";
  if (types[0] === "integer" || types[0] === "number") return "number";
  return types[0] === "string" ? "text" : "json";
}

// fieldsOf are the fields of a form, null when the schema is no object with known properties: then there is one text.
export function fieldsOf(schema) {
  const s = resolved(schema, schema ?? {});
  if (!s.properties) return null;
  return Object.entries(s.properties).map(([name, one]) => {
    const inner = resolved(one, schema);
    const kind = kindOf(inner);
    const preset = textOf(kind, one.default ?? inner.default); // what holds for a field that is left empty
    return { name, schema: inner, kind, preset, required: Boolean(s.required?.includes(name)), doc: one.description ?? inner.description };
  });
}

// textOf is a value as a field of its kind holds it.
function textOf(kind, v) {
  if (v === undefined) return "";
  return kind === "text" || kind === "number" ? String(v) : JSON.stringify(v);
}

const choices = (f) => (f.schema.enum ?? [false, true]).filter((v) => v !== null);

function control(f, i, at, problem) {
  const { schema: s } = f;
  const shared = { name: f.name, autofocus: i === 0, autocomplete: "off", value: at, "aria-invalid": problem ? "true" : null, "aria-describedby": `about-${i}` };
  if (f.kind === "choice") {
    return h("select", { ...shared, value: undefined, required: f.required }, [(!f.required || f.schema.enum) && h("option", { value: "" }, f.required ? "choose…" : f.preset ? `– (${f.preset})` : "–"),
      choices(f).map((v) => h("option", { value: JSON.stringify(v), selected: JSON.stringify(v) === at }, String(v)))]);
  }
  if (f.kind === "number") return h("input", { ...shared, type: "number", placeholder: f.preset || null, step: typesOf(s)[0] === "integer" ? "1" : "any", min: s.minimum, max: s.maximum, required: f.required });
  if (f.kind === "json") return h("textarea", { ...shared, rows: 3, spellcheck: false, placeholder: f.preset || "JSON", required: f.required });
  return h("input", { ...shared, type: s.writeOnly ? "password" : "text", minlength: s.minLength, maxlength: s.maxLength, required: f.required && s.minLength > 0, placeholder: f.preset || (s.format === "date-time" ? "2026-11-28T12:00:00Z" : null) });
}

const hint = (f) => [f.doc, f.kind === "json" && "as JSON", f.required ? "required" : f.preset && `${f.preset} when it is left empty`].filter(Boolean).join("; ");

// begins is what a field holds at first. A default need not be sent, unless the field must be there.
const begins = (f) => (f.required && f.preset) || (f.kind === "choice" ? "" : undefined);

// formFields are the fields with what they hold now and what the host said of each.
export const formFields = (fields, values = {}, problems = {}) => fields.map((f, i) =>
  h("label", { key: `field ${f.name}` }, h("span", {}, f.name), control(f, i, values[f.name] ?? begins(f), problems[f.name]),
    h("span", { id: `about-${i}`, class: problems[f.name] ? "sub error" : "sub" }, problems[f.name] ?? hint(f))));

// jsonOf is a text as a value; an Error names the field when it is no JSON.
export function jsonOf(text, name) {
  try {
    return JSON.parse(text);
  } catch (err) {
    throw new Error(`${name} is no JSON: ${err.message}`);
  }
}

function valueOf(f, text) {
  if (f.kind === "text") return text;
  if (f.kind === "number") return Number(text);
  return jsonOf(text, f.name);
}

// read is the value that a form says. A field that is left empty is left out, unless it must be there.
export function read(fields, form) {
  const out = {};
  for (const f of fields) {
    const text = String(form.get(f.name) ?? "");
    if (text !== "" || (f.required && f.kind === "text")) out[f.name] = valueOf(f, text);
  }
  return out;
}

// texts are a value as the fields hold it; null when they cannot say it.
export function texts(fields, value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const by = new Map(fields.map((f) => [f.name, f]));
  const out = {};
  for (const [name, v] of Object.entries(value)) {
    if (!by.has(name)) return null;
    out[name] = textOf(by.get(name).kind, v);
  }
  return out;
}
