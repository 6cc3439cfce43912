// Places for a graph: layers from left to right, few crossings, cycles allowed. Nothing here knows what the nodes are,
// and the same graph always gets the same places.

const sweeps = 6;
const mostBends = 3000; // with more than that, edges go straight

// layers places nodes [{id}] and edges [{from, to}]: {width, height, nodes: [{id, x, y}], edges: [{from, to, back, points}]}.
// size says how wide and tall a node is, and how far apart they are. An edge that closes a cycle is back: it runs to the left.
export function layers(nodes, edges, size) {
  const ids = nodes.map((n) => n.id).sort();
  const known = new Set(ids);
  const wanted = edges.filter((e) => known.has(e.from) && known.has(e.to) && e.from !== e.to).sort((a, b) => compare(a.from, b.from) || compare(a.to, b.to));
  const turned = backEdges(ids, wanted);
  const forward = wanted.map((e) => (turned.has(e) ? { a: e.to, b: e.from, e } : { a: e.from, b: e.to, e }));
  const rank = ranks(ids, forward);
  const { columns, chains, links } = spread(ids, forward, rank);
  order(columns, links);
  const y = heights(columns, links, size);
  const x = (column) => column * (size.wide + size.across);
  const middle = (id) => y.get(id) + tall(id, size) / 2;
  const points = (f) => {
    const inner = chains.get(f).flatMap((id, i) => [[x(rank.get(f.a) + i + 1), middle(id)], [x(rank.get(f.a) + i + 1) + size.wide, middle(id)]]);
    const all = [[x(rank.get(f.a)) + size.wide, middle(f.a)], ...inner, [x(rank.get(f.b)), middle(f.b)]];
    return f.a === f.e.from ? all : all.reverse();
  };
  return {
    width: ids.length ? x(columns.length - 1) + size.wide : 0,
    height: Math.max(0, ...ids.map((id) => y.get(id) + size.tall)),
    nodes: ids.map((id) => ({ id, x: x(rank.get(id)), y: y.get(id) })),
    edges: forward.map((f) => ({ ...f.e, back: turned.has(f.e), points: points(f) })),
  };
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const group = (all, key) => {
  const by = new Map();
  for (const one of all) {
    const same = by.get(key(one));
    if (same) same.push(one);
    else by.set(key(one), [one]);
  }
  return by;
};

// backEdges are those that lead back to a node from which one came: without them there is no cycle.
function backEdges(ids, edges) {
  const out = group(edges, (e) => e.from);
  const entered = new Set(edges.map((e) => e.to));
  const turned = new Set();
  const seen = new Map(); // id → "open" while its edges are walked, then "done"
  for (const start of [...ids.filter((id) => !entered.has(id)), ...ids]) {
    if (seen.has(start)) continue;
    const way = [{ id: start, left: [...(out.get(start) ?? [])] }];
    seen.set(start, "open");
    while (way.length) {
      const at = way.at(-1);
      const e = at.left.shift();
      if (!e) {
        seen.set(at.id, "done");
        way.pop();
      } else if (seen.get(e.to) === "open") turned.add(e);
      else if (!seen.has(e.to)) {
        seen.set(e.to, "open");
        way.push({ id: e.to, left: [...(out.get(e.to) ?? [])] });
      }
    }
  }
  return turned;
}

// ranks is the column of each node: right of all that lead to it; what nothing leads to stands next to what it leads to.
function ranks(ids, forward) {
  const out = group(forward, (f) => f.a);
  const missing = new Map(ids.map((id) => [id, 0]));
  for (const f of forward) missing.set(f.b, missing.get(f.b) + 1);
  const first = ids.filter((id) => !missing.get(id));
  const rank = new Map(first.map((id) => [id, 0]));
  for (const queue = [...first]; queue.length;) {
    const id = queue.shift();
    for (const f of out.get(id) ?? []) {
      rank.set(f.b, Math.max(rank.get(f.b) ?? 0, rank.get(id) + 1));
      missing.set(f.b, missing.get(f.b) - 1);
      if (!missing.get(f.b)) queue.push(f.b);
    }
  }
  for (const id of first) if (out.has(id)) rank.set(id, Math.min(...out.get(id).map((f) => rank.get(f.b))) - 1);
  return rank;
}

// spread puts the nodes into their columns, and a bend into each column that an edge passes.
function spread(ids, forward, rank) {
  const columns = Array.from({ length: ids.length ? Math.max(...rank.values()) + 1 : 0 }, () => []);
  for (const id of ids) columns[rank.get(id)].push(id);
  const chains = new Map();
  const links = [];
  const span = (f) => rank.get(f.b) - rank.get(f.a);
  const bends = forward.reduce((n, f) => n + span(f) - 1, 0) <= mostBends;
  for (const f of forward) {
    const chain = [];
    let before = f.a;
    for (let r = rank.get(f.a) + 1; bends && r < rank.get(f.b); r++) {
      const bend = `bend ${f.e.from} ${f.e.to} ${r}`;
      columns[r].push(bend);
      chain.push(bend);
      links.push([before, bend]);
      before = bend;
    }
    links.push([before, f.b]);
    chains.set(f, chain);
  }
  return { columns, chains, links };
}

// order sorts each column by where its neighbours stand, from left to right and back.
function order(columns, links) {
  const left = group(links, (l) => l[1]);
  const right = group(links, (l) => l[0]);
  const sort = (column, near, side, beside) => {
    const place = new Map(near.map((id, i) => [id, i]));
    const want = new Map(column.map((id, i) => {
      const all = (beside.get(id) ?? []).map((l) => place.get(l[side])).filter((p) => p !== undefined);
      return [id, all.length ? mean(all) : i];
    }));
    column.sort((a, b) => want.get(a) - want.get(b));
  };
  for (let n = 0; n < sweeps; n++) {
    if (n % 2) for (let c = columns.length - 2; c >= 0; c--) sort(columns[c], columns[c + 1], 1, right);
    else for (let c = 1; c < columns.length; c++) sort(columns[c], columns[c - 1], 0, left);
  }
}

const mean = (all) => all.reduce((sum, v) => sum + v, 0) / all.length;
const tall = (id, size) => (id.startsWith("bend ") ? size.between : size.tall);

// heights brings each node as near to the middle of its neighbours as those of its column allow.
function heights(columns, links, size) {
  const beside = group(links.flatMap(([a, b]) => [[a, b], [b, a]]), (l) => l[0]);
  const middle = new Map();
  for (const column of columns) settle(column, column.map(() => 0), middle, size);
  for (let n = 0; n < sweeps; n++) {
    for (const column of n % 2 ? columns.toReversed() : columns) {
      settle(column, column.map((id) => (beside.has(id) ? mean(beside.get(id).map((l) => middle.get(l[1]))) : middle.get(id))), middle, size);
    }
  }
  const top = Math.min(...[...middle].map(([id, m]) => m - tall(id, size) / 2));
  return new Map([...middle].map(([id, m]) => [id, Math.round(m - tall(id, size) / 2 - top)]));
}

// settle gives the column the places that are nearest to the wanted ones without one over another.
function settle(column, wanted, middle, size) {
  const blocks = [];
  let offset = 0;
  const offsets = column.map((id) => {
    const at = offset + tall(id, size) / 2;
    offset += tall(id, size) + size.between;
    return at;
  });
  column.forEach((_, i) => {
    let block = { sum: wanted[i] - offsets[i], n: 1 };
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).n >= block.sum / block.n) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, n: before.n + block.n };
    }
    blocks.push(block);
  });
  let i = 0;
  for (const block of blocks) for (let n = 0; n < block.n; n++, i++) middle.set(column[i], block.sum / block.n + offsets[i]);
}
