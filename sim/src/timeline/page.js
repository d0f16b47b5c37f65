// What the page does: it draws again whenever rows move, and shows what belongs to the row that is pointed at or has the focus.

const box = document.querySelector(".timeline"), titles = box.querySelector(".heads"), lanes = box.querySelector(".lanes");

function render() {
  const seen = select(), at = columns(seen, box.clientWidth);
  box.style.setProperty("--lanes", `${Math.ceil(at.width)}px`);
  const { svg, turn } = heads(at);
  titles.replaceChildren(svg);
  document.documentElement.style.setProperty("--heads", `${Math.ceil(turn())}px`);
  lanes.replaceChildren(draw(seen, heights(seen), at));
}

function mark(li) {
  const rows = li ? [li.dataset.row, ...(li.dataset.near ?? "").split(" ")] : [], groups = [...lanes.querySelectorAll("g")];
  const on = (g) => g.dataset.rows.split(" ").some((row) => row !== "" && rows.includes(row));
  groups.forEach((g) => g.classList.toggle("on", on(g)));
  // What leads to a violation is all around it.
  lanes.classList.toggle("picked", groups.some(on) && !li.matches(".violation"));
}

list.addEventListener("mouseover", (event) => mark(event.target.closest("li")));
list.addEventListener("mouseleave", () => mark(document.activeElement.closest?.(".rows > li")));
list.addEventListener("focusin", (event) => mark(event.target.closest("li")));
list.addEventListener("focusout", () => mark(null));

list.addEventListener("keydown", (event) => {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (!step || event.target.localName !== "summary") return;
  let li = event.target.closest("li")[step];
  while (li?.hidden) li = li[step];
  if (!li) return;
  event.preventDefault();
  li.querySelector("summary").focus();
});

// A way to a violation shows it, whatever was hidden, and opens it.
function arrive() {
  const li = document.getElementById(location.hash.slice(1));
  if (!li?.matches(".violation")) return;
  li.querySelector("details").open = true;
  li.scrollIntoView({ block: "center" });
  li.querySelector("summary").focus({ preventScroll: true });
}
window.addEventListener("hashchange", arrive);
document.querySelectorAll("a[href^='#violation']").forEach((way) => way.addEventListener("click", () => setTimeout(arrive)));

let asked = 0;
const again = () => {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(render);
};
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", again);
render();
const sizes = new ResizeObserver(again);
sizes.observe(box);
sizes.observe(list);
arrive();
