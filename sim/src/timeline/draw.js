// The lanes beside the rows, as SVG: a picture of what the rows say.

const NS = "http://www.w3.org/2000/svg";

function element(name, attributes, parent, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

function arrow(parent, x1, y1, x2, y2, name, tip) {
  element("path", { class: `way ${name}`, d: `M${x1} ${y1}L${x2} ${y2}` }, parent);
  if (!tip) return;
  const angle = Math.atan2(y2 - y1, x2 - x1), side = (turn) =>
    `${x2 - 6 * Math.cos(angle + turn)} ${y2 - 6 * Math.sin(angle + turn)}`;
  element("path", { class: "tip", d: `M${x2} ${y2}L${side(0.4)}L${side(-0.4)}Z` }, parent);
}

const cross = (parent, x, y) => element("path", { class: "cross", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }, parent);

function draw(seen, place, at) {
  const svg = element("svg", { width: at.width, height: place.height });
  element("path", { d: "M0 0L0 8", stroke: "var(--soft)", "stroke-opacity": ".45", "stroke-width": 2 },
    element("pattern", { id: "hatch", width: 6, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      element("defs", {}, svg)));
  for (const band of seen.bands) {
    const y = place.y(band.from), height = Math.max(place.y(band.to) - y, 4), half = Math.min(at.lane / 2 - 1, 12);
    const [x, width] = band.lane === null ? [2, at.api + 6] : [at.x.get(band.lane) - half, 2 * half];
    element("rect", { class: "band", x, y, width, height }, svg);
  }
  for (const x of new Set(at.x.values())) element("path", { class: "life", d: `M${x} 0V${place.height}` }, svg);
  element("path", { class: "life api", d: `M${at.api} 0V${place.height}` }, svg);
  drawBars(svg, seen, place, at);
  for (const { li, row } of items) {
    if (!li.hidden && li.matches(".violation")) element("path", { class: "broken", d: `M0 ${place.y(row)}H${at.width}` }, svg);
  }
  seen.deliveries.forEach((d) => drawDelivery(svg, d, place, at));
  seen.requests.forEach((r) => drawRequest(svg, r, place, at));
  for (const { li, row } of items) if (!li.hidden) drawSign(svg, li, row, place, at);
  return svg;
}

// What belongs to a row is found by its places in the order.
const group = (svg, name, ...rows) => element("g", { class: name, "data-rows": rows.join(" ") }, svg);

function drawRequest(svg, r, place, at) {
  const x = at.x.get(r.lane), y = place.y(r.row), committed = r.commit !== null && place.y(r.commit) !== undefined;
  const g = group(svg, r.class + (r.late ? " late" : ""), r.row, r.commit);
  if (r.effect !== null) {
    const there = place.y(committed ? r.commit : r.effect);
    arrow(g, x, y, at.api, there, "", true);
    if (!committed) element("circle", { class: "effect", cx: at.api, cy: there, r: 2.5 }, g);
    if (r.ended === null) return;
    const back = place.y(r.ended), part = r.heard ? 1 : 0.6, stop = at.api - (at.api - x) * part, end = there + (back - there) * part;
    arrow(g, at.api, there, stop, end, "back", r.heard);
    if (!r.heard) cross(g, stop, end);
    return;
  }
  // Answered without effect: refused at the door. Otherwise it never arrived.
  const end = place.y(r.ended), far = r.heard ? at.api : x + (at.api - x) * 0.6, half = y + (end - y) * (r.heard ? 0.5 : 0.6);
  arrow(g, x, y, far, half, "", r.heard);
  if (r.heard) arrow(g, far, half, x, end, "back", true);
  cross(g, far, half);
}

function drawDelivery(svg, d, place, at) {
  const x = at.x.get(d.lane), y = place.y(d.row), from = d.commit === null ? undefined : place.y(d.commit);
  const g = group(svg, "event", d.commit);
  if (from !== undefined) arrow(g, at.api, from, x, y, "event", false);
  element("path", { class: "tip", d: `M${x} ${y}l5 -2.5v5z` }, g);
}

function drawSign(svg, li, row, place, at) {
  const y = place.y(row), { lane, kind } = li.dataset, sign = li.querySelector(".sign").textContent;
  const g = group(svg, "", row);
  if (sign === "●") element("circle", { class: `commit ${kind}`, cx: at.api, cy: y, r: 4.5 }, g);
  const x = at.x.get(Number(lane));
  if (sign === "»") element("path", { class: "signal", d: `M${x - 9} ${y - 4.5}L${x} ${y}L${x - 9} ${y + 4.5}Z` }, g);
  if (sign === "«") element("path", { class: `signal ${li.querySelector(".ok") ? "" : "bad"}`, d: `M${x} ${y - 4.5}L${x - 9} ${y}L${x} ${y + 4.5}Z` }, g);
}

function drawBars(svg, seen, place, at) {
  const x = (track) => at.barsAt + track * at.step, thick = Math.max(at.step - 3, 1);
  for (const twin of twins(seen.bars)) {
    const { from, to } = at.bars.groups.find((found) => found.fingerprint === twin.fingerprint), y = place.y(twin.from);
    element("rect", { class: "twins", x: x(from) - 2, y, width: (to - from) * at.step + 1, height: place.y(twin.to) - y }, svg);
  }
  for (const bar of seen.bars) {
    const { track, twin } = at.bars.place.get(bar), y = place.y(bar.from), height = Math.max(place.y(bar.to) - y, 4);
    const name = twin ? "twin" : bar.fingerprint % 2 ? "odd" : "";
    element("rect", { class: `bar ${name}`, x: x(track), y, width: thick, height, rx: 1.5 }, svg);
  }
}

// The names of the lanes, upright, so that they have room however close the lanes are.
function heads(at) {
  const svg = element("svg", { width: at.width, height: 10 }), texts = [];
  const head = (x, name) => texts.push(element("text", { "data-x": x }, svg, name));
  at.own.forEach((lane) => head(at.x.get(lane.index), lane.name));
  if (at.others > 0) head(at.api - at.lane, `${at.others} others`);
  head(at.api, "API");
  let last = at.api;
  for (const { fingerprint, from, to } of at.bars.groups) {
    const x = at.barsAt + (from + to) / 2 * at.step - 1.5, name = `active${data.letters.length > 1 ? ` ${data.letters[fingerprint]}` : ""}`;
    // Bars that are too close for names have the colours of their rows alone.
    if (x - last < 12) continue;
    head(x, name);
    last = x;
  }
  return { svg, turn: () => {
    const height = Math.max(...texts.map((text) => text.getComputedTextLength())) + 10;
    svg.setAttribute("height", height);
    texts.forEach((text) => text.setAttribute("transform", `translate(${Number(text.dataset.x) + 3.5} ${height - 4}) rotate(-90)`));
    return height;
  } };
}
