//go:build !race

package ui_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// chain is a pipeline with a queue that nothing empties, a cycle, and a task that runs after another.
const chain = `
queue "orders" {}
queue "parcels" {
  max_messages = 10
}
task "pack" {
  plugin = "hostile"
  type   = "handle"
  continuous {}
  consume "orders" {}
  output "out" {
    queue = "parcels"
  }
}
task "send" {
  plugin    = "hostile"
  type      = "handle"
  instances = 2
  enabled   = false
  continuous {}
  consume "parcels" {}
  output "out" {
    queue = "orders"
  }
}
task "tally" {
  plugin = "hostile"
  type   = "work"
  after_run "greet" {
    outcome = ["succeeded"]
  }
}
`

func post(t *testing.T, p *place, queue, body string, n int) {
	t.Helper()
	for range n {
		if _, err := p.Post(context.Background(), queue, []byte(body), admin.PostOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePipelineShowsWhatWaitsBetweenWhichTasks(t *testing.T) {
	p := startPlace(t, tasks+chain)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.press("g", "p")
	b.sees("h1", "Pipeline")
	b.until("both queues and all tasks on them are nodes", `document.querySelectorAll(".node-queue").length === 2 && document.querySelectorAll(".node-task").length === 4`)
	b.until("instances are one node", `document.querySelector('[data-node="task send"] title').textContent === "task send, 2 instances: stopped"`)
	b.until("the cycle is drawn, and what runs after a run", `document.querySelectorAll(".edge-in, .edge-out").length === 4 && document.querySelectorAll(".edge-after").length === 1`)
	b.sees(".aside", "2 tasks on no queue")

	post(t, p, "parcels", `{"for":"parcel"}`, 9)
	b.until("the depth stands on the edge, with the age", `(() => {
		const texts = [...document.querySelectorAll(".edge-out text")].map((t) => t.textContent);
		return texts.includes("9") && texts.some((t) => /^\d+ s$/.test(t));
	})()`)
	b.until("a queue that is nearly full shows it", `document.querySelector(".near-full")`)
	post(t, p, "orders", `{"fail":true}`, 2)
	b.until("dead letters are marked", `(() => {
		const node = document.querySelector('[data-node="queue orders"]');
		return node.querySelector("title").textContent === "queue orders: 0 messages, 2 dead letters" && node.querySelector(".dead").textContent === "2 dead";
	})()`)
	b.until("the table says the same", `(() => {
		const row = (from, to) => [...document.querySelectorAll("table tbody tr")].find((tr) => tr.cells[0].innerText === from && tr.cells[1].innerText === to);
		const waits = row("queue parcels", "task send"), failed = row("queue orders", "task pack");
		return waits?.cells[2].innerText === "9" && failed?.cells[5].innerText === "2" && row("task pack", "queue parcels") && row("task greet", "task tally");
	})()`)
	b.accessible("pipeline")

	b.look(360, 800, "light")
	b.until("the graph scrolls in its frame, not the page", `document.documentElement.scrollWidth <= innerWidth && document.querySelector(".graph-card .scroll").scrollWidth > innerWidth`)
	b.eval(`document.querySelector('[data-node="queue orders"]').focus()`)
	b.press(kb.Enter)
	b.sees("h1", "orders")
	b.press(kb.Escape)
	b.clean()
}

// layout runs a check on the layout of a graph; it answers with what is wrong, or with nothing.
func layout(b *browser, check string) string {
	b.t.Helper()
	b.eval(`import("./parts/layers.js").then((m) => { window.layers = m.layers; }), "asked"`)
	b.until("the module is there", "window.layers")
	return b.eval(`(() => {
		const size = { wide: 100, tall: 40, across: 50, between: 10 };
		const of = (text) => {
			const edges = text.split(" ").filter(Boolean).map((e) => ({ from: e.split(">")[0], to: e.split(">")[1] }));
			return layers([...new Set(edges.flatMap((e) => [e.from, e.to]))].map((id) => ({ id })), edges, size);
		};
		const at = (laid, id) => laid.nodes.find((n) => n.id === id);
		const wrong = [];
		` + check + `
		return wrong.slice(0, 5).join("\n");
	})()`)
}

func TestTheLayoutOfAGraph(t *testing.T) {
	p := startFiles(t)
	b := newBrowser(t, 800, 600)
	b.open(p)
	for what, check := range map[string]string{
		"runs from left to right": `
			const laid = of("a>b b>c a>c");
			if (at(laid, "a").x !== 0 || at(laid, "b").x !== 150 || at(laid, "c").x !== 300) wrong.push(JSON.stringify(laid.nodes));
			if (laid.edges.find((e) => e.to === "c" && e.from === "a").points.length !== 4) wrong.push("the long edge does not pass the column between");
			if (laid.width !== 400) wrong.push("width " + laid.width);`,
		"draws a cycle with one edge back": `
			const laid = of("a>b b>c c>a b>d");
			const back = laid.edges.filter((e) => e.back);
			if (back.length !== 1 || back[0].from !== "c" || back[0].to !== "a") wrong.push(JSON.stringify(back));
			if (back[0].points[0][0] <= back[0].points.at(-1)[0]) wrong.push("it does not run back");`,
		"keeps edges from crossing where they need not": `
			const laid = of("a>y b>x");
			if ((at(laid, "a").y < at(laid, "b").y) !== (at(laid, "y").y < at(laid, "x").y)) wrong.push(JSON.stringify(laid.nodes));`,
		"is nothing for nothing": `
			if (JSON.stringify(layers([], [], size)) !== '{"width":0,"height":0,"nodes":[],"edges":[]}') wrong.push("something");`,
		"is the same for the same graph, and no node lies on another": `
			let dice = 7;
			const die = (n) => (dice = (dice * 48271) % 2147483647) % n;
			for (let round = 0; round < 150; round++) {
				const n = 1 + die(40);
				const nodes = Array.from({ length: n }, (_, i) => ({ id: "n" + i }));
				const edges = Array.from({ length: n + die(n) }, () => ({ from: "n" + die(n), to: "n" + die(n) }));
				const laid = layers(nodes, edges, size);
				const again = layers(nodes.toReversed(), edges.toReversed(), size);
				if (JSON.stringify(laid.nodes) !== JSON.stringify(again.nodes)) wrong.push(round + ": differs");
				for (const [i, a] of laid.nodes.entries()) {
					if (!(a.x >= 0 && a.y >= 0 && a.x + size.wide <= laid.width && a.y + size.tall <= laid.height)) wrong.push(round + ": outside " + JSON.stringify(a));
					for (const b of laid.nodes.slice(i + 1)) if (a.x === b.x && Math.abs(a.y - b.y) < size.tall) wrong.push(round + ": " + a.id + " on " + b.id);
				}
				for (const e of laid.edges) if ((at(laid, e.from).x < at(laid, e.to).x) === e.back) wrong.push(round + ": " + JSON.stringify(e));
			}`,
	} {
		if wrong := layout(b, check); wrong != "" {
			t.Errorf("it %s: %s", what, wrong)
		}
	}
	b.clean()
}
