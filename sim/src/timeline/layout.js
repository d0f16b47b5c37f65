// Where everything is: columns by caller, rows by time.

const ROW = 14; // a line of text
const CUT_MS = 60; // pauses longer than this are cut
const data = JSON.parse(document.getElementById("story").textContent);
const story = data.story;

// What is shown, by the controls.
function wanted() {
  const checked = (name) => new Set([...document.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value));
  const fingerprint = document.getElementById("fingerprint").value;
  return { kinds: checked("kind"), lanes: checked("lane"), fingerprint: fingerprint === "" ? null : Number(fingerprint) };
}

function kindOf(resource) {
  if (resource.startsWith("remediationrequests")) return "rr";
  return resource.startsWith("leases") ? "lease" : "other";
}

function select(show) {
  const about = (item) => show.fingerprint === null || item.fingerprint === show.fingerprint;
  const lane = (item) => item.lane === null || show.lanes.has(String(item.lane));
  const kind = (item) => show.kinds.has(kindOf(item.resource));
  const traffic = (item) => !item.short.startsWith("watch ") && !(item.short.startsWith("list ") && item.fingerprint === null);
  const other = show.kinds.has("other");
  return {
    requests: story.requests.filter((r) => about(r) && lane(r) && kind(r) && (other || traffic(r)) &&
      (show.kinds.has("reads") || r.class !== "read")),
    commits: story.commits.filter((c) => about(c) && kind(c) && (c.by !== "seed" || other)),
    deliveries: story.deliveries.filter((d) => about(d) && lane(d) && kind(d) && show.kinds.has("events") &&
      (other || !d.short.startsWith("BOOKMARK"))),
    signals: story.signals.filter((s) => about(s) && lane(s)),
    notes: story.notes.filter((n) => lane(n) && (other || n.at > 0)),
    bands: story.bands.filter(lane),
    bars: story.bars.filter(about),
    violations: story.violations,
    lanes: story.lanes.map((l, index) => ({ ...l, index })).filter((l) => show.lanes.has(String(l.index))),
  };
}

// Gives every moment its place: rows for what has text, cuts for what is empty.
function rows(seen) {
  const moments = new Map();
  const at = (time) => {
    if (!moments.has(time)) moments.set(time, { time, columns: new Map(), y: 0 });
    return moments.get(time);
  };
  const row = (time, column, item, key) => {
    const columns = at(time).columns;
    const place = columns.get(column) ?? 0;
    columns.set(column, place + 1);
    item[key] = place;
  };
  for (const r of seen.requests) {
    row(r.sent, `lane ${r.lane}`, r, "sentRow");
    if (r.effect !== null) at(r.effect);
    if (r.ended !== null) at(r.ended);
  }
  for (const s of seen.signals) {
    row(s.at, `signal ${s.lane}`, s, "atRow");
    if (s.answered !== null) row(s.answered, `signal ${s.lane}`, s, "answeredRow");
  }
  for (const c of seen.commits) row(c.at, "api", c, "row");
  for (const n of seen.notes) row(n.at, n.lane === null ? "api" : `lane ${n.lane}`, n, "row");
  for (const d of seen.deliveries) at(d.at);
  for (const v of seen.violations) at(v.at);
  for (const b of seen.bars) { at(b.from); if (b.to !== null) at(b.to); }
  const ordered = [...moments.values()].sort((a, b) => a.time - b.time);
  const cuts = [];
  let y = 26, before = null;
  for (const moment of ordered) {
    if (before !== null) {
      const ms = (moment.time - before.time) / 1000;
      const room = before.columns.size > 0 && moment.columns.size > 0 ? ROW : 8;
      if (ms > CUT_MS) {
        cuts.push({ y: y + 20, ms });
        y += 42;
      } else {
        y += Math.max(room, Math.min(ms * 5, 40));
      }
    }
    moment.y = y;
    y += (Math.max(1, ...moment.columns.values()) - 1) * ROW;
    before = moment;
  }
  return { y: (time, row = 0) => (moments.get(time)?.y ?? y) + row * ROW, ordered, cuts, height: y + 60 };
}

// The columns; as wide as the window allows.
function columns(seen, width) {
  const bars = tracks(seen.bars);
  const left = 62, commits = 165, barsWidth = bars.count * 17 + 8, words = 205;
  const count = Math.max(seen.lanes.length, 1);
  const lane = Math.max(210, Math.min(300, (width - left - commits - barsWidth - words - 48) / count));
  const x = new Map(seen.lanes.map((l, index) => [l.index, left + index * lane + 72]));
  const api = left + count * lane + 16;
  const barsAt = api + commits;
  return { x, lane, left, api, bars, barsAt, words: barsAt + barsWidth + 6, width: barsAt + barsWidth + words + 6 };
}

// Bars that overlap stand side by side, those of one fingerprint together.
function tracks(bars) {
  const place = new Map(), groups = [];
  let count = 0;
  for (const fingerprint of [...new Set(bars.map((b) => b.fingerprint))].sort((a, b) => a - b)) {
    const ends = [];
    for (const bar of bars.filter((b) => b.fingerprint === fingerprint)) {
      let track = ends.findIndex((end) => end <= bar.from);
      if (track < 0) track = ends.length;
      ends[track] = bar.to ?? Infinity;
      place.set(bar, count + track);
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
    const edges = [];
    for (const b of bars.filter((b) => b.fingerprint === fingerprint)) {
      edges.push([b.from, 1], [b.to ?? Infinity, -1]);
    }
    edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let active = 0, since = null;
    for (const [time, step] of edges) {
      active += step;
      if (active > 1 && since === null) since = time;
      if (active < 2 && since !== null) {
        if (time > since) found.push({ fingerprint, from: since, to: time });
        since = null;
      }
    }
  }
  return found;
}
