//go:build !race

package ui_test

import "testing"

// domChecks use h, lazy, patch and tickAll on an empty box, and say what is wrong.
var domChecks = map[string]string{
	"refuses markup, styles and listeners as attributes, and links that leave the host": `
		for (const name of ["onclick", "ONCLICK", "style", "innerHTML", "outerHTML", "dangerouslySetInnerHTML", "srcdoc", "ref", "children", "xlinkHref"]) {
			throws(name, () => h("p", { [name]: "x" }));
			throws(name, () => h("input", { [name]: "x" }));
		}
		for (const at of ["https://example.org/", "//example.org/", "javascript:alert(1)", "data:text/html,x", "/v1/host"]) throws(at, () => h("a", { href: at }));
		patch(box, [h("a", { href: "#/tasks" }), h("img", { src: "./icon.svg", alt: "" })]);
		same("links", box.querySelector("a").getAttribute("href"), "#/tasks");`,
	"takes text for text, and no JSON for a description": `
		patch(box, ["<b>a</b>", h("p", {}, "<i>", JSON.parse('{"type":"img","tag":"img","props":{"src":"./x"},"kids":[],"constructor":"pv"}'), null, false, "", 0)]);
		same("text", box.textContent, "<b>a</b><i>0");
		same("elements", box.querySelectorAll("*").length, 1);`,
	"leaves what a person has written, until another value is described": `
		const draw = (text, on, n) => patch(box, [h("p", {}, n), h("input", { value: text }), h("textarea", { value: text }), h("input", { type: "checkbox", checked: on }), h("input", { name: "bare" })]);
		const [input, area, check, bare] = (draw("a", false, 1), box.querySelectorAll("input, textarea"));
		same("described", [input.value, area.value, check.checked, bare.value], ["a", "a", false, ""]);
		Object.assign(input, { value: "ab" });
		Object.assign(area, { value: "ac" });
		Object.assign(bare, { value: "ad" });
		check.checked = true;
		draw("a", false, 2);
		same("written", [input.value, area.value, check.checked, bare.value], ["ab", "ac", true, "ad"]);
		draw("b", true, 3);
		same("described anew", [input.value, area.value, check.checked, bare.value], ["b", "b", true, "ad"]);
		draw(undefined, undefined, 4);
		same("described no more", [input.value, area.value, check.checked, bare.value], ["", "", false, "ad"]);
		same("the same fields", [...box.querySelectorAll("input, textarea")].every((el, i) => el === [input, area, check, bare][i]), true);`,
	"leaves what a person has chosen": `
		const draw = (at) => patch(box, [h("select", {}, ["", "a", "b"].map((v) => h("option", { value: v, selected: v === at }, v || "all")))]);
		draw("a");
		const select = box.querySelector("select");
		same("described", select.value, "a");
		select.value = "b";
		draw("a");
		same("chosen", select.value, "b");
		select.value = "";
		draw("b");
		same("described anew", select.value, "b");`,
	"keeps focus, text and elements when rows move, come and go": `
		const draw = (...keys) => patch(box, [h("ul", {}, keys.map((key) => lazy(key, [keys.length], () => h("li", { "data-key": key }, h("input", { name: key, value: "" })))))]);
		draw("a", "b", "c", "d");
		const b = box.querySelector("[name=b]");
		b.focus();
		b.value = "typed";
		b.setSelectionRange(2, 3);
		for (const keys of [["d", "c", "b", "a"], ["b", "x", "a"], ["y", "x", "z", "b"], ["b"]]) {
			draw(...keys);
			same("order", [...box.querySelectorAll("li")].map((li) => li.dataset.key), keys);
			same("focus", document.activeElement === b && b.isConnected && box.querySelector("[name=b]") === b, true);
			same("text", [b.value, b.selectionStart, b.selectionEnd], ["typed", 2, 3]);
		}`,
	"lets a text tick by itself": `
		let n = 0, made = 0;
		const draw = (tick, more) => patch(box, [h("p", {}, "before ", lazy("k", [tick], () => (made++, h("b", { tick }))), more && " after")]);
		const tick = () => String(n);
		draw(tick, false);
		same("at once", box.textContent, "before 0");
		n = 1;
		tickAll();
		same("a second later", [box.textContent, made], ["before 1", 1]);
		n = 2;
		draw(tick, true);
		tickAll();
		same("beside something new", [box.textContent, made], ["before 2 after", 1]);
		draw(() => "other", true);
		same("another tick", box.textContent, "before other after");
		let asked = 0;
		draw(() => String(++asked), true);
		patch(box, [h("p", {}, "gone")]);
		tickAll();
		same("asked no more", [asked, box.textContent], [1, "gone"]);
		patch(box, [h("p", { tick: () => "t" })]);
		patch(box, [h("p", { made: () => {} }, "own")]);
		same("text instead of a tick", box.textContent, "own");`,
	"makes once, and leaves the children of others alone": `
		const made = [];
		const draw = (key) => patch(box, [h("div", { key, foreign: true, made: (el) => made.push(el) })]);
		draw("a");
		box.firstElementChild.append(document.createElement("hr"));
		draw("a");
		same("once", made.length, 1);
		same("attached, with what it was given", made[0].isConnected && made[0].querySelectorAll("hr").length, 1);
		draw("b");
		same("another element", [made.length, made[1] !== made[0], box.querySelectorAll("hr").length], [2, true, 0]);`,
	"makes drawings, and documents beside them": `
		patch(box, [h("svg", { viewBox: "0 0 1 1" }, h("a", { href: "#/" }, h("text", { tick: () => "t" })), lazy("p", [], () => h("path", { d: "M0 0", class: "c" }))), h("p", {}, "x")]);
		same("spaces", [...box.querySelectorAll("*")].map((el) => el.localName + " " + el.namespaceURI.split("/").at(-1)), ["svg svg", "a svg", "text svg", "path svg", "p xhtml"]);
		same("names keep their case", box.querySelector("svg").hasAttribute("viewBox"), true);`,
	"asks the newest listener, and none that is gone": `
		const heard = [];
		const draw = (say) => patch(box, [h("button", { on: say && { click: () => heard.push(say) } }, "b")]);
		for (const say of ["one", "two", null, "three"]) {
			draw(say);
			box.firstElementChild.click();
		}
		same("heard", heard, ["one", "two", "three"]);`,
	"takes away what is no longer described": `
		patch(box, [h("button", { disabled: true, "aria-current": "page", class: "c", hidden: true, tabindex: "0", title: null }, "b")]);
		const button = box.firstElementChild;
		same("described", [button.disabled, button.hidden, button.hasAttribute("title"), button.tabIndex], [true, true, false, 0]);
		patch(box, [h("button", { disabled: false, "aria-current": null }, "b")]);
		same("gone", [button === box.firstElementChild, button.disabled, button.hidden, button.getAttributeNames().length], [true, false, false, 0]);`,
}

func TestElementsAndFormsAreMadeAsDescribed(t *testing.T) {
	b := newBrowser(t, 800, 600)
	at := startFiles(t)
	b.checks(at, domChecks, "dom.js")
	b.checks(at, formChecks, "dom.js", "parts/form.js")
}
