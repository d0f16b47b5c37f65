// The diagram, as SVG.

const NS = "http://www.w3.org/2000/svg";

function element(name, attributes, parent, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

function duration(ms) {
  if (ms >= 600000) return `${+(ms / 60000).toFixed(1)} min`;
  return ms >= 10000 ? `${+(ms / 1000).toFixed(1)} s` : `${+ms.toFixed(1)} ms`;
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(most - 1, 3))}…` : text);

// Virtual time since the run began; thousands apart.
const milliseconds = (micros) => String(Math.round(micros / 100) / 10).replace(/\B(?=(\d{3})+(\.|$))/g, "\u2009");

// One line, cut to the room there is.
function label(parent, x, y, text, room, attributes = {}) {
  return element("text", { x, y, class: "label halo", ...attributes }, parent, cut(text, Math.floor(room / 5.5)));
}

function group(parent, name, kind, item) {
  const g = element("g", { class: `item ${name}` }, parent);
  g.item = { kind, of: item };
  item.g = g;
  return g;
}

function arrow(parent, x1, y1, x2, y2, name, tip) {
  element("path", { class: `way ${name}`, d: `M${x1} ${y1}L${x2} ${y2}` }, parent);
  element("path", { class: "hit", d: `M${x1} ${y1}L${x2} ${y2}` }, parent);
  if (tip) {
    const angle = Math.atan2(y2 - y1, x2 - x1), side = (turn) =>
      `${x2 - 7 * Math.cos(angle + turn)} ${y2 - 7 * Math.sin(angle + turn)}`;
    element("path", { class: "tip", d: `M${x2} ${y2}L${side(0.4)}L${side(-0.4)}Z` }, parent);
  }
}

const cross = (parent, x, y) => element("path", { class: "cross", d: `M${x - 5} ${y - 5}l10 10m0-10l-10 10` }, parent);

function draw(seen, place, at) {
  const svg = element("svg", { width: at.width, height: place.height });
  element("path", { d: "M0 0L0 8", stroke: "var(--soft)", "stroke-opacity": ".45", "stroke-width": 2 },
    element("pattern", { id: "hatch", width: 6, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      element("defs", {}, svg)));
  drawTime(svg, place, at);
  seen.bands.forEach((band) => drawBand(svg, band, place, at));
  for (const x of at.x.values()) element("path", { class: "life", d: `M${x} 8V${place.height}` }, svg);
  element("path", { class: "life api", d: `M${at.api} 8V${place.height}` }, svg);
  drawBars(svg, seen, place, at);
  const versions = new Map(seen.commits.map((commit) => [commit.version, commit]));
  seen.deliveries.forEach((delivery) => drawDelivery(svg, delivery, versions, place, at));
  seen.requests.forEach((request) => drawRequest(svg, request, versions, place, at));
  seen.signals.forEach((signal) => drawSignal(svg, signal, place, at));
  seen.commits.forEach((commit) => drawCommit(svg, commit, place, at));
  seen.notes.forEach((note) => drawNote(svg, note, place, at));
  drawViolations(svg, seen, place, at);
  return svg;
}

function drawTime(svg, place, at) {
  let last = -20;
  for (const { time, y } of place.ordered) {
    if (y - last < 15) continue;
    element("text", { class: "time", x: at.left - 8, y: y + 4, "text-anchor": "end" }, svg, milliseconds(time));
    last = y;
  }
  for (const { y, ms } of place.cuts) {
    const g = element("g", { class: "cut" }, svg);
    element("rect", { x: at.left, y: y - 8, width: at.width - at.left, height: 16 }, g);
    element("path", { d: `M0 ${y}H${at.width}` }, g);
    label(g, at.left + 100, y + 4, `⋯ ${duration(ms)} ⋯`, 400, { class: "halo" });
  }
}

function drawBand(svg, band, place, at) {
  const x = band.lane === null ? at.api : at.x.get(band.lane);
  const y = place.y(band.from), end = band.to === null ? place.height : place.y(band.to);
  const g = group(svg, "lifetime", "band", band);
  const [from, width] = band.lane === null ? [at.left, at.api - at.left + 10] : [x - 66, at.lane - 8];
  element("rect", { class: "band", x: from, y, width, height: Math.max(end - y, 4) }, g);
}

function drawRequest(svg, r, versions, place, at) {
  const x = at.x.get(r.lane), y = place.y(r.sent, r.sentRow);
  const g = group(svg, r.class + (r.late ? " late" : ""), "request", r);
  const commit = r.commit === null ? undefined : versions.get(r.commit);
  if (r.effect !== null) {
    const there = commit ? place.y(commit.at, commit.row) : place.y(r.effect);
    arrow(g, x, y, at.api, there, "", true);
    if (!commit) element("circle", { class: "effect", cx: at.api, cy: there, r: 3.2 }, g);
    if (r.ended !== null) {
      const back = Math.max(place.y(r.ended), there + 2);
      const stop = r.heard ? x : at.api - (at.api - x) * 0.6;
      arrow(g, at.api, there, stop, r.heard ? back : there + (back - there) * 0.6, "back", r.heard);
      if (!r.heard) cross(g, stop, there + (back - there) * 0.6);
    }
  } else {
    const end = r.ended === null ? place.height : Math.max(place.y(r.ended), y + 3);
    // Answered without effect: refused at the door. Otherwise it never arrived.
    const far = r.heard ? at.api : x + (at.api - x) * 0.6, half = y + (end - y) * (r.heard ? 0.5 : 0.6);
    arrow(g, x, y, far, half, "", r.heard);
    if (r.heard) arrow(g, far, half, x, end, "back", true);
    cross(g, far, half);
  }
  drawWords(g, r, x + 7, y - 3, at.lane - 74);
}

// What was asked and what came of it; of the two, the first is shortened.
function drawWords(g, r, x, y, room) {
  // What is late is rare, and worth a longer line.
  const most = Math.floor(room / 5.6) + (r.late ? 24 : 0), result = `→ ${r.late ? `${r.late} → ` : ""}${r.result}`;
  const asked = cut(`${letter(r)}${r.short}`, Math.max(most - result.length, 18));
  const text = label(g, x, y, "", room);
  element("tspan", { class: "label lead" }, text, `${asked} `);
  element("tspan", { class: r.late ? "label why" : "label" }, text, cut(result, most - asked.length));
}

const letter = (item) => story.fingerprints.length > 1 && item.fingerprint !== null ? `${data.letters[item.fingerprint]} ` : "";

function drawDelivery(svg, d, versions, place, at) {
  const x = at.x.get(d.lane), y = place.y(d.at), commit = versions.get(d.version);
  const g = group(svg, "event", "delivery", d);
  if (commit) arrow(g, at.api, place.y(commit.at, commit.row), x, y, "event", false);
  element("path", { class: "tip", d: `M${x} ${y}l6 -3v6z` }, g);
  element("circle", { cx: x, cy: y, r: 6, fill: "transparent" }, g);
}

function drawSignal(svg, s, place, at) {
  const x = at.x.get(s.lane), y = place.y(s.at, s.atRow);
  const g = group(svg, "posted", "signal", s);
  element("path", { class: "signal", d: `M${x - 12} ${y - 5}L${x - 1} ${y}L${x - 12} ${y + 5}Z` }, g);
  label(g, x - 15, y + 4, `${letter(s)}signal ${s.number}`, 72, { "text-anchor": "end" });
  if (s.answered === null) return;
  const end = place.y(s.answered, s.answeredRow), ok = s.status >= 200 && s.status < 300 ? "ok" : "bad";
  element("path", { class: `answer ${ok}`, d: `M${x - 1} ${end - 5}L${x - 12} ${end}L${x - 1} ${end + 5}Z` }, g);
  label(g, x - 15, end + 4, `${s.number}: ${s.short.split(" …")[0]}`, 72, { class: `answer ${ok} halo`, "text-anchor": "end" });
}

function drawCommit(svg, c, place, at) {
  const y = place.y(c.at, c.row), foreign = story.lanes.some((lane) => lane.replica && lane.name === c.by) ? "" : " foreign";
  const g = group(svg, "committed", "commit", c);
  element("circle", { class: `commit ${kindOf(c.resource)}${foreign}`, cx: at.api, cy: y, r: 5 }, g);
  label(g, at.api + 10, y + 4, `@${c.version} ${letter(c)}${c.short}`, 150);
}

function drawNote(svg, n, place, at) {
  const x = n.lane === null ? at.api + 10 : at.x.get(n.lane) + 7;
  label(group(svg, "said", "note", n), x, place.y(n.at, n.row) - 3, n.text, at.lane - 70, { class: "note halo" });
}

function drawBars(svg, seen, place, at) {
  const x = (track) => at.barsAt + track * 17, end = (time) => (time === null ? place.height - 24 : place.y(time));
  const overlaps = twins(seen.bars);
  for (const twin of overlaps) {
    const { from, to } = at.bars.groups.find((found) => found.fingerprint === twin.fingerprint);
    const y = place.y(twin.from), last = twin.to === Infinity ? place.height - 24 : place.y(twin.to);
    element("rect", { class: "twins", x: x(from) - 3, y, width: (to - from) * 17 + 3, height: last - y }, svg);
  }
  for (const bar of seen.bars) {
    const track = at.bars.place.get(bar), y = place.y(bar.from), height = Math.max(end(bar.to) - y, 4);
    const others = seen.bars.filter((other) => other !== bar && other.fingerprint === bar.fingerprint);
    const late = others.some((other) => other.from <= bar.from && (other.to ?? Infinity) > bar.from && seen.bars.indexOf(other) < seen.bars.indexOf(bar));
    const g = group(svg, "active", "bar", bar);
    element("rect", { class: `bar ${late ? "twin" : bar.fingerprint % 2 ? "odd" : ""}`, x: x(track), y, width: 13, height, rx: 2 }, g);
    if (height > 70) {
      const text = `${letter(bar)}${bar.short}`;
      element("text", { transform: `translate(${x(track) + 10} ${y + 5}) rotate(90)` }, g, text);
    }
  }
}

function drawViolations(svg, seen, place, at) {
  let free = 0;
  seen.violations.forEach((violation, index) => {
    const y = violation.version === null ? place.height - 30 : place.y(violation.at, story.commits.find((c) => c.version === violation.version)?.row ?? 0);
    const g = group(svg, "violation", "violation", violation);
    const lines = wrap(violation.message, 33), top = Math.max(y - 12, free);
    const height = lines.length * ROW + 22;
    free = top + height + 6;
    element("line", { x1: at.left, y1: y, x2: at.words, y2: y }, g);
    element("line", { x1: at.words - 4, y1: y, x2: at.words, y2: top + 10 }, g);
    element("rect", { x: at.words, y: top, width: 200, height, rx: 5 }, g);
    element("text", { x: at.words + 8, y: top + 15 }, g, `VIOLATION ${index + 1}: ${violation.oracle}`);
    lines.forEach((line, number) => element("text", { class: "rest", x: at.words + 8, y: top + 15 + (number + 1) * ROW }, g, line));
    place.height = Math.max(place.height, free + 20);
  });
  svg.setAttribute("height", place.height);
}

function wrap(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= width) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines.length > 7 ? [...lines.slice(0, 6), "…"] : lines;
}

function heads(seen, at) {
  const svg = element("svg", { class: "heads", width: at.width, height: 36 });
  const head = (x, title, sub, anchor = "middle") => {
    element("text", { x, y: 16, "text-anchor": anchor }, svg, title);
    element("text", { class: "sub", x, y: 30, "text-anchor": anchor }, svg, sub);
  };
  head(8, "time", "ms", "start");
  for (const lane of seen.lanes) head(at.x.get(lane.index), lane.short, lane.replica ? "gateway" : "other user");
  head(at.api, "Kubernetes API", "commits", "middle");
  if (at.bars.count > 0) head(at.barsAt, "active", at.bars.groups.map((g) => data.letters[g.fingerprint]).join(" "), "start");
  return svg;
}
