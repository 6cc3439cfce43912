// A schema as documentation: what a type takes in HCL (cty types) and what travels as JSON (JSON Schema), as tables.

import { h } from "../dom.js";

const most = 8; // levels of objects in objects that are shown

const typeText = (type) => {
  if (!Array.isArray(type)) return type === "dynamic" ? "any" : String(type);
  const [kind, inner] = type;
  if (kind === "object") return "object";
  return kind === "tuple" ? `tuple(${inner.map(typeText).join(", ")})` : `${kind}(${typeText(inner)})`;
};

const value = (v) => (v === undefined ? "" : JSON.stringify(v));

const bounds = (low, high, of = "") => {
  if (low === undefined && high === undefined) return "";
  if (low !== undefined && high !== undefined) return `${low} to ${high}${of}`;
  return low !== undefined ? `at least ${low}${of}` : `at most ${high}${of}`;
};

const rules = (list) => list.filter(Boolean).join("; ");

const attributeRules = (a) => rules([
  a.one_of?.length && `one of ${a.one_of.join(", ")}`, bounds(a.min, a.max), a.pattern && `matches ${a.pattern}`,
  a.sensitive && "never shown", a.deprecated && `deprecated: ${a.deprecated}`, a.was?.length && `was ${a.was.join(", ")}`,
]);

const nestings = { single: "block", list: "blocks", map: "blocks by label" };

// rowsOfBody are the attributes and blocks of a configuration, those inside a block with its name before theirs.
export function rowsOfBody(body, before = "") {
  const attribute = (prefix) => (a) => [
    { name: prefix + a.name, type: [typeText(a.type), a.kind].filter(Boolean).join(" · "), required: a.required, preset: value(a.default), rules: attributeRules(a), doc: a.doc },
    ...(a.fields ?? []).flatMap(attribute(`${prefix}${a.name}.`)),
  ];
  const block = (b) => [
    { name: before + b.name, type: nestings[b.nesting] ?? "block", required: b.min > 0, preset: "", rules: rules([b.label && `label: ${b.label}`, bounds(b.min || undefined, b.max || undefined)]), doc: b.doc },
    ...rowsOfBody(b.body, `${before}${b.name}.`),
  ];
  return [...(body?.attributes ?? []).flatMap(attribute(before)), ...(body?.blocks ?? []).flatMap(block)];
}

// resolved is what a reference stands for.
export const resolved = (schema, root) => (schema?.$ref ? root.$defs?.[schema.$ref.split("/").at(-1)] ?? {} : schema ?? {});

// typesOf are the names of the types that a JSON schema allows, null left out.
export const typesOf = (schema) => [schema.type ?? []].flat().filter((t) => t !== "null");

const jsonType = (s, root) => {
  if (s.anyOf) return s.anyOf.map((one) => (one.type === "null" ? "null" : jsonType(resolved(one, root), root))).join(" or ");
  if (s.items) return `list of ${jsonType(resolved(s.items, root), root)}`;
  if (s.additionalProperties) return `map of ${jsonType(resolved(s.additionalProperties, root), root)}`;
  return [[s.type ?? "any"].flat().join(" or "), s.format ?? s.contentEncoding].filter(Boolean).join(" · ");
};

const jsonRules = (s) => rules([
  s.enum && `one of ${s.enum.map(String).join(", ")}`, bounds(s.minimum, s.maximum), bounds(s.minLength, s.maxLength, " characters"),
  bounds(s.minItems ?? s.minProperties, s.maxItems ?? s.maxProperties, " elements"), s.pattern && `matches ${s.pattern}`, s.writeOnly && "never shown", s.deprecated && "deprecated",
]);

// rowsOfValue are the properties of a JSON schema; of a list of objects those of one of them.
export function rowsOfValue(schema, root = schema, before = "", depth = 0) {
  const s = resolved(schema, root);
  if (depth > most) return [];
  if (s.items) return rowsOfValue(s.items, root, `${before}[].`, depth + 1);
  return Object.entries(s.properties ?? {}).flatMap(([name, one]) => {
    const inner = resolved(one, root);
    const row = { name: before + name, type: jsonType(inner, root), required: s.required?.includes(name), preset: "", rules: jsonRules(inner), doc: one.description ?? inner.description };
    return [row, ...(one.$ref ? [] : rowsOfValue(inner, root, `${before}${name}${inner.items ? "" : "."}`, depth + 1))];
  });
}

export const shapeOf = (schema) => jsonType(resolved(schema, schema), schema);

export const schemaTable = (rows, label) => h("div", { class: "scroll" }, h("table", { class: "plain-table schema", "aria-label": label },
  h("thead", {}, h("tr", {}, ["Name", "Type", "Default", "Constraint", "What it is"].map((text) => h("th", { scope: "col" }, text)))),
  h("tbody", {}, rows.map((r) => h("tr", { key: r.name },
    h("th", { scope: "row", class: "mono" }, r.name), h("td", {}, r.type),
    h("td", { class: r.preset ? "mono" : "" }, r.required ? h("b", {}, "required") : r.preset || "–"), h("td", { class: "what" }, r.rules || "–"), h("td", { class: "what" }, r.doc))))));
