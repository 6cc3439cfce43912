//go:build !race

package ui_test

// formChecks fill a form of a schema whose fields have defaults.
var formChecks = map[string]string{
	"shows defaults, and sends only what was changed": `
		const fields = fieldsOf({ properties: {
			name: { type: "string", default: "tea" }, count: { type: "integer", default: 3 }, gift: { type: "boolean", default: false },
			size: { enum: ["small", "large"], default: "large" }, tags: { type: "array", items: { type: "string" }, default: ["green"] }, plain: { type: "string" },
		} });
		patch(box, [h("form", {}, formFields(fields))]);
		const form = box.querySelector("form");
		const of = (name) => form.elements[name];
		same("placeholders", [of("name"), of("count"), of("tags"), of("plain")].map((el) => el.placeholder), ["tea", "3", '["green"]', ""]);
		same("choices", [of("gift"), of("size")].map((el) => el.selectedOptions[0].text), ["– (false)", '– ("large")']);
		same("said of it", of("name").parentElement.textContent, "nametea when it is left empty");
		same("nothing changed", read(fields, new FormData(form)), {});
		of("count").value = "4";
		of("gift").value = "true";
		same("changed", read(fields, new FormData(form)), { count: 4, gift: true });`,
	"begins with the default of what must be there": `
		const fields = fieldsOf({ required: ["name", "on"], properties: { name: { $ref: "#/$defs/name", default: "tea" }, on: { type: "boolean", default: true } }, $defs: { name: { type: "string" } } });
		const draw = (values) => patch(box, [h("form", {}, formFields(fields, values))]);
		draw();
		same("sent", read(fields, new FormData(box.querySelector("form"))), { name: "tea", on: true });
		box.querySelector("[name=name]").value = "";
		draw();
		same("cleared by a person", read(fields, new FormData(box.querySelector("form"))), { name: "", on: true });`,
}
