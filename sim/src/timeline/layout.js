// What is shown, and where: each event has its place in the order of events, whatever the time.

const data = JSON.parse(document.getElementById("timeline").textContent);
const form = document.querySelector(".controls"), list = document.querySelector(".rows");
const items = [...list.children].map((li) => ({ li, row: Number(li.dataset.row), at: Number(li.dataset.at) }));
const byRow = new Map(items.map((item) => [item.row, item]));

const PAUSE = 60000; // µs; longer ones are named
const THIN = 6, THIN_MAX = 54; // px for an event without a row, and for all between two rows

// What the controls say.
function wanted() {
  const checked = (name) => new Set([...form.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value));
  return { kinds: checked("kind"), lanes: checked("lane"), fingerprint: document.getElementById("fingerprint").value };
}

function shows(want, { lane, fingerprint, kind, reads, other }) {
  return (lane === undefined || want.lanes.has(lane)) &&
    (want.fingerprint === "" || fingerprint === undefined || fingerprint === want.fingerprint) &&
    (kind === undefined || want.kinds.has(kind)) &&
    (reads === undefined || want.kinds.has("reads")) && (other === undefined || want.kinds.has("other"));
}

// Hides rows, names pauses; returns what is drawn.
function select() {
  const want = wanted();
  let before = null;
  for (const { li, at } of items) {
    li.hidden = !shows(want, li.dataset);
    if (li.hidden) continue;
    if (before !== null && at - before > PAUSE) li.dataset.gap = `⋯ ${Math.floor((at - before) / 1000)} ms without events`;
    else delete li.dataset.gap;
    li.toggleAttribute("data-same", at === before);
    before = at;
  }
  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const heard = (d) => want.kinds.has("events") &&
    shows(want, { lane: text(d.lane), fingerprint: text(d.fingerprint), kind: d.kind, other: d.other ? "" : undefined });
  return {
    requests: data.requests.filter((r) => !byRow.get(r.row).li.hidden),
    deliveries: data.deliveries.filter(heard),
    bars: data.bars.filter((b) => want.fingerprint === "" || String(b.fingerprint) === want.fingerprint),
    bands: data.bands.filter((b) => b.lane === null || want.lanes.has(String(b.lane))),
    lanes: data.lanes.map((name, index) => ({ name, index })).filter((lane) => want.lanes.has(String(lane.index))),
  };
}

// Makes room between rows for what has none; returns where each place in the order is.
function heights(seen) {
  const shown = items.filter((item) => !item.li.hidden), rows = new Set(shown.map((item) => item.row)), thin = new Set();
  const add = (row) => row !== null && !rows.has(row) && thin.add(row);
  for (const r of seen.requests) {
    if (r.commit === null || !rows.has(r.commit)) add(r.effect);
    add(r.ended);
  }
  seen.deliveries.forEach((d) => add(d.row));
  seen.bars.concat(seen.bands).forEach((b) => { add(b.from); add(b.to); });
  const sorted = [...thin].sort((a, b) => a - b), rooms = [];
  let next = 0;
  for (const { li, row } of shown) {
    const from = next;
    while (next < sorted.length && sorted[next] < row) next += 1;
    const room = Math.min((next - from) * THIN, THIN_MAX);
    li.style.paddingTop = room > 0 ? `${room}px` : "";
    rooms.push({ li, row, room, thin: sorted.slice(from, next) });
  }
  const rest = sorted.slice(next), last = Math.min(rest.length * THIN, THIN_MAX);
  list.style.paddingBottom = `${last + 12}px`;
  const y = new Map(), top = list.getBoundingClientRect().top;
  for (const { li, row, room, thin } of rooms) {
    const line = li.querySelector("summary").getBoundingClientRect().top - top;
    thin.forEach((place, index) => y.set(place, line - room + (index + 0.5) * room / thin.length));
    y.set(row, line + 11);
  }
  const height = list.clientHeight;
  rest.forEach((place, index) => y.set(place, height - 12 - last + (index + 0.5) * last / rest.length));
  return { y: (place) => (place === null || place === undefined ? height : y.get(place)), height };
}

// A lane for each caller as long as they are wide enough to be told apart; those that sent nothing shortly before or after the
// first violation share one. Then the API, and bars side by side, those of one fingerprint together.
function columns(seen, width) {
  const all = Math.min(Math.max(width * 0.36, 128), 460), bars = tracks(seen.bars);
  const step = bars.count === 0 ? 0 : Math.min(13, all * 0.25 / bars.count), right = 14 + bars.count * step;
  const room = all - right - 12, most = Math.max(2, Math.floor(room / 13));
  const own = seen.lanes.length <= most ? seen.lanes : closest(seen, most - 1);
  const others = seen.lanes.length - own.length, count = own.length + (others > 0 ? 1 : 0);
  const lane = Math.min(64, room / Math.max(count, 1)), x = new Map(seen.lanes.map((l) => [l.index, 12 + (count - 1) * lane]));
  own.forEach((l, index) => x.set(l.index, 12 + index * lane));
  const api = 12 + count * lane;
  return { x, own, others, lane, api, bars, step, barsAt: api + 10, width: api + right };
}

function closest(seen, most) {
  const away = new Map(), [violation = 0] = data.violations;
  for (const r of seen.requests) away.set(r.lane, Math.min(away.get(r.lane) ?? Infinity, Math.abs(r.row - violation)));
  const from = (lane) => away.get(lane.index) ?? Infinity;
  const nearest = [...seen.lanes].sort((a, b) => (from(a) < from(b) ? -1 : Number(from(a) > from(b)))).slice(0, most);
  return seen.lanes.filter((lane) => nearest.includes(lane));
}

function tracks(bars) {
  const place = new Map(), groups = [];
  let count = 0;
  for (const fingerprint of [...new Set(bars.map((b) => b.fingerprint))].sort((a, b) => a - b)) {
    const ends = [];
    for (const bar of bars.filter((b) => b.fingerprint === fingerprint)) {
      let track = ends.findIndex((end) => end <= bar.from);
      if (track < 0) track = ends.length;
      ends[track] = bar.to ?? Infinity;
      place.set(bar, { track: count + track, twin: track > 0 });
    }
    groups.push({ fingerprint, from: count, to: count + ends.length });
    count += ends.length;
  }
  return { place, groups, count };
}

// Where more than one of a fingerprint is active.
function twins(bars) {
  const found = [];
  for (const fingerprint of new Set(bars.map((b) => b.fingerprint))) {
    const edges = bars.filter((b) => b.fingerprint === fingerprint).flatMap((b) => [[b.from, 1], [b.to ?? Infinity, -1]]);
    edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let active = 0, since = null;
    for (const [place, step] of edges) {
      active += step;
      if (active > 1 && since === null) since = place;
      if (active < 2 && since !== null) {
        found.push({ fingerprint, from: since, to: place === Infinity ? null : place });
        since = null;
      }
    }
  }
  return found;
}
