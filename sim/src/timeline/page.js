// What the page does when it is pointed at.

const diagram = document.getElementById("diagram"), panel = document.getElementById("panel");
const legend = [...panel.childNodes];
let picked = null, seen = null, place = null;

function html(name, parent, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

// All that is known of an item; text only, whatever it holds.
function describe({ kind, of }) {
  const fingerprint = of.fingerprint === null || of.fingerprint === undefined ? "" : story.fingerprints[of.fingerprint];
  const titles = {
    request: () => `${of.short} → ${of.result}`,
    signal: () => `signal ${of.number}: ${of.short}`,
    commit: () => `commit @${of.version} by ${of.by}`,
    delivery: () => of.short,
    bar: () => `${of.name}, active${of.to === null ? " to the end" : ""}; created by ${of.by}`,
    band: () => of.what,
    note: () => of.text,
    violation: () => `VIOLATION of ${of.oracle}`,
  };
  panel.replaceChildren();
  html("h2", panel, titles[kind](), kind === "violation" ? "bad" : "");
  if (of.late) html("p", panel, of.late, "bad");
  html("pre", panel, of.text ?? of.message ?? "");
  for (const one of near({ kind, of }).sort((a, b) => began(a) - began(b))) {
    if (one.text) html("pre", panel, one.text);
  }
  if (fingerprint) html("p", panel, `fingerprint ${fingerprint}`);
}

const began = (item) => item.at ?? item.sent ?? item.from;

// What belongs to an item: a commit and its request, a violation and its twins.
function near({ kind, of }) {
  const by = (version) => [...seen.requests.filter((r) => r.commit === version), ...seen.commits.filter((c) => c.version === version)];
  if (kind === "commit") return [...seen.requests.filter((r) => r.commit === of.version), ...seen.deliveries.filter((d) => d.version === of.version)];
  if (kind === "request" && of.commit !== null) return seen.commits.filter((c) => c.version === of.commit);
  if (kind === "delivery" && of.version !== null) return by(of.version);
  if (kind === "bar") return creation(of);
  if (kind === "violation" && of.version !== null) {
    const active = seen.bars.filter((b) => b.fingerprint === of.fingerprint && b.from <= of.at && (b.to === null || b.to > of.at));
    return [...by(of.version), ...active, ...active.flatMap(creation)].filter((one, index, all) => all.indexOf(one) === index);
  }
  return [];
}

// The commit that created a RemediationRequest, and its request.
function creation(bar) {
  const commit = seen.commits.find((c) => c.at === bar.from && c.by === bar.by && c.fingerprint === bar.fingerprint && c.text.includes(bar.name));
  return commit ? [commit, ...seen.requests.filter((r) => r.commit === commit.version)] : [];
}

function pick(item, keep) {
  document.querySelectorAll(".on, .near").forEach((g) => g.classList.remove("on", "near"));
  const svg = diagram.querySelector("svg:not(.heads)");
  svg.classList.toggle("picked", item !== null && keep);
  if (item === null) {
    panel.replaceChildren(...legend);
    return;
  }
  item.of.g?.classList.add("on");
  near(item).forEach((one) => one.g?.classList.add("near"));
  describe(item);
}

function render() {
  seen = select(wanted());
  place = rows(seen);
  const at = columns(seen, diagram.clientWidth);
  const svg = draw(seen, place, at);
  diagram.replaceChildren(heads(seen, at), svg);
  picked = null;
  pick(null, false);
}

const itemAt = (event) => event.target.closest?.(".item")?.item ?? null;

diagram.addEventListener("click", (event) => {
  picked = itemAt(event);
  pick(picked, true);
});
diagram.addEventListener("mouseover", (event) => {
  const item = itemAt(event);
  if (picked === null && item !== null) pick(item, false);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") pick(picked = null, false);
});
document.querySelector(".controls").addEventListener("change", render);
let resized;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(render, 150);
});

const jump = document.getElementById("jump");
let next = 0;
jump.hidden = story.violations.length === 0;
if (story.violations.length > 1) jump.textContent = `Jump to violation (1 of ${story.violations.length})`;
jump.addEventListener("click", () => {
  const of = story.violations[next % story.violations.length];
  next += 1;
  if (story.violations.length > 1) jump.textContent = `Jump to violation (${next % story.violations.length + 1} of ${story.violations.length})`;
  of.g.querySelector("rect").scrollIntoView({ block: "center", inline: "nearest" });
  picked = { kind: "violation", of };
  pick(picked, true);
});
render();
if (location.hash === "#violation" && story.violations.length > 0) requestAnimationFrame(() => jump.click());
