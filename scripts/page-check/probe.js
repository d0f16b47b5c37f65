// What can be measured of a page as it is drawn; run in the page, gives a list of faults for each check.
() => {
  const found = { sideways: [], labels: [], contrast: [], structure: [], made: [], pointer: [] };
  const root = document.documentElement;
  const shown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const name = (node) => `${node.localName}${node.id && `#${node.id}`} “${node.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}”`;

  // Nothing scrolls sideways but text in columns, which says so by being preformatted.
  if (root.scrollWidth > root.clientWidth) found.sideways.push(`the document is ${root.scrollWidth} wide in ${root.clientWidth}`);
  for (const node of document.querySelectorAll("body *")) {
    if (node.localName === "pre" || node.closest("pre, svg") || !shown(node) || node.clientWidth === 0) continue;
    if (node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== "visible") {
      found.sideways.push(`${name(node)} is ${node.scrollWidth} wide in ${node.clientWidth}`);
    }
  }

  // Labels are text that the flow of the page does not keep apart: in pictures, and placed by coordinates.
  const placed = [...document.querySelectorAll("body *")].filter((node) => shown(node) && node.textContent.trim() !== "" &&
    (node.localName === "text" || (getComputedStyle(node).position === "absolute" && !node.closest("svg"))));
  const boxes = placed.map((node) => ({ node, box: node.getBoundingClientRect() }));
  for (const { node, box } of boxes) {
    if (box.width < 2 || box.height < 2) found.labels.push(`${name(node)} has no size`);
    if (/^\s*\S{0,2}…\s*$|…\s*…/.test(node.textContent)) found.labels.push(`${name(node)} is cut to nothing`);
    const size = parseFloat(getComputedStyle(node).fontSize) * (node.localName === "text" ? Math.hypot(node.getScreenCTM().a, node.getScreenCTM().b) : 1);
    if (size < 10) found.labels.push(`${name(node)} is ${size.toFixed(1)} px high`);
    const svg = node.closest("svg")?.getBoundingClientRect();
    const out = svg && (box.left < svg.left - 1 || box.right > svg.right + 1 || box.top < svg.top - 1 || box.bottom > svg.bottom + 1);
    if (out && getComputedStyle(node.closest("svg")).overflow !== "visible") found.labels.push(`${name(node)} leaves its picture`);
    if (box.left < -1 || box.right > root.clientWidth + 1) found.labels.push(`${name(node)} leaves the page`);
  }
  const text = [...document.querySelectorAll("svg text")].filter((node) => shown(node) && node.textContent.trim() === "");
  text.forEach((node) => found.labels.push(`${name(node)} is empty`));
  boxes.sort((a, b) => a.box.top - b.box.top);
  boxes.forEach(({ node, box }, index) => {
    for (const other of boxes.slice(index + 1)) {
      if (other.box.top > box.bottom - 2) break;
      const apart = other.box.left > box.right - 2 || other.box.right < box.left + 2;
      if (!apart && !node.contains(other.node) && !other.node.contains(node)) found.labels.push(`${name(node)} covers ${name(other.node)}`);
    }
  });

  // Contrast of text with what it stands on, by WCAG 2.
  const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const seen = new Set();
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== "");
    if (!own || !shown(node) || ["script", "style", "option"].includes(node.localName)) continue;
    const style = getComputedStyle(node), color = node.closest("svg") ? style.fill : style.color;
    if (!/^rgb/.test(color)) continue;
    const under = ground(node.closest("svg") ?? node), [a, b] = [light(over(parse(color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), kind = `${color} ${Object.values(under)}`;
    if (ratio < 4.5 && !seen.has(kind)) found.contrast.push(`${name(node)} ${ratio.toFixed(1)}:1`);
    seen.add(kind);
  }

  // Landmarks, headings, and a name or no role for every picture.
  const count = (selector) => document.querySelectorAll(selector).length;
  for (const [selector, what] of [["main", "main"], ["h1", "h1"]]) if (count(selector) !== 1) found.structure.push(`${count(selector)} × ${what}`);
  if (!root.lang || document.title === "") found.structure.push("no language or no title");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) found.structure.push(`${name(heading)} skips a level`);
    level = next;
  }
  for (const svg of document.querySelectorAll("svg")) {
    const named = svg.getAttribute("role") === "img" && svg.getAttribute("aria-label");
    if (!named && !svg.closest("[aria-hidden=true]")) found.structure.push(`a picture without a name: ${name(svg.parentElement)}`);
  }
  for (const control of document.querySelectorAll("button, a, input, select, summary")) {
    const named = control.textContent.trim() || control.getAttribute("aria-label") || control.closest("label")?.textContent.trim();
    if (!named) found.structure.push(`${control.localName} without a name`);
  }

  // Which command made it, of which commit, when.
  const facts = new Map([...document.querySelectorAll("dt")].map((dt) => [dt.textContent.trim(), dt.nextElementSibling]));
  const forms = { command: /(sim|perf)\b/, commit: /^[0-9a-f]{7,}/, date: /^\d{4}-\d\d-\d\d/ };
  for (const [what, form] of Object.entries(forms)) {
    const value = facts.get(what);
    if (!value || !form.test(value.textContent.trim()) || !shown(value)) found.made.push(`no ${what}`);
  }

  // What looks as if it could be clicked can be reached without a pointer.
  const usable = "a[href], button, input, select, summary, label, option";
  for (const node of document.querySelectorAll("body *")) {
    const pointer = getComputedStyle(node).cursor === "pointer" && getComputedStyle(node.parentElement).cursor !== "pointer";
    if (pointer && shown(node) && !node.closest(usable)) found.pointer.push(name(node));
  }
  return found;
}
