"""Looks at pages in Chromium: look.py FOLDER-OF-SCREENSHOTS PAGE.html …; see scripts/pages."""

import pathlib
import re
import sys

from playwright.sync_api import sync_playwright

PROBE = (pathlib.Path(__file__).parent / "probe.js").read_text()
CHROMIUM = "/usr/bin/chromium"
CHECKS = ["sideways", "labels", "contrast", "structure", "made", "pointer", "keyboard", "script", "console"]
SIZES = {390: 844, 1280: 800}
# Beyond so many stops of Tab nothing new is learnt, and so many faults of a kind tell what it is.
TABS_MAX, SHOWN = 100, 3
# Of one page; beyond that Chromium draws no screenshot.
TALL = 12_000

OPEN = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
FOCUSED = """() => {
  const node = document.activeElement, style = getComputedStyle(node), box = node.getBoundingClientRect();
  if (node === document.body) return null;
  const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, y = box.top + Math.min(box.height, 30) / 2;
  const top = document.elementFromPoint(x, y), covered = top === null || !(node.contains(top) || top.contains(node));
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && node.matches(":focus-visible");
  const index = [...document.querySelectorAll("*")].indexOf(node);
  return { index, name: `${node.localName} “${node.textContent.trim().slice(0, 40)}”`, covered, ring };
}"""
TARGET = """() => {
  const box = (document.querySelector(":target") ?? document.querySelector("g.violation rect, #violation-1"))?.getBoundingClientRect();
  return box && box.left >= 0 && box.right <= innerWidth + 1 && box.top >= 0 && box.top < innerHeight;
}"""


def probe(page):
    faults = page.evaluate(PROBE)
    page.evaluate(OPEN)
    page.wait_for_timeout(200)
    for check, more in page.evaluate(PROBE).items():
        faults[check] += [f"{fault}, everything open" for fault in more if fault not in faults[check]]
    page.reload()
    return faults


def keyboard(page):
    """Every stop of Tab shows that it is one; Enter and Space do what a click does."""
    faults, stops = [], []
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None or at["index"] in stops:
            break
        stops.append(at["index"])
        if not at["ring"]:
            faults.append(f"{at['name']} does not show its focus")
        if at["covered"]:
            faults.append(f"{at['name']} has the focus and cannot be seen")
    enabled = "button, a[href], input, select, summary"
    reachable = page.evaluate(f"[...document.querySelectorAll('{enabled}')].filter((node) => node.checkVisibility()).length")
    if len(stops) < min(reachable, TABS_MAX):
        faults.append(f"Tab stops {len(stops)} times, at {reachable} controls")
    summary = page.locator("summary:visible").first
    if summary.count():
        for key in ["Enter", "Space"]:
            before = summary.evaluate("(node) => node.parentElement.open")
            summary.press(key)
            if summary.evaluate("(node) => node.parentElement.open") == before:
                faults.append(f"{key} does not open or close what folds")
    box = page.locator("input[type=checkbox]:visible").first
    if box.count():
        before = box.is_checked()
        box.press("Space")
        if box.is_checked() == before:
            faults.append("Space does not check a box")
        box.press("Space")
    jump = page.locator("a[href^='#violation']:visible, button#jump:visible").first
    if jump.count():
        jump.press("Enter")
        page.wait_for_timeout(300)
        if not page.evaluate(TARGET):
            faults.append("Enter on the way to the violation does not show it whole")
    elif page.locator("[id^='violation']").count():
        faults.append("nothing leads to the violation")
    return faults


def words(page):
    """All that the page says to everybody, when everything is open."""
    page.evaluate(OPEN)
    page.evaluate("document.querySelectorAll('form, [aria-hidden=true]').forEach((node) => { node.style.display = 'none'; })")
    return set(re.findall(r"[^\W\d_]{3,}", page.evaluate("document.body.innerText")))


def without_script(browser, url, known):
    """All that is said with scripts is said without, and nothing is offered that needs them."""
    faults, said = [], set()
    for width, height in SIZES.items():
        context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=False)
        page = context.new_page()
        page.goto(url)
        controls = "[...document.querySelectorAll('button, select, input')].filter((node) => node.checkVisibility())"
        faults += page.evaluate(f"{controls}.map((node) => `${{node.localName}} does nothing`)")
        faults += page.evaluate(PROBE)["sideways"]
        said |= words(page)
        context.close()
    missing = sorted(known - said)
    return faults + [f"not said: {' '.join(missing)}"] * bool(missing)


def look(browser, file, shots):
    """All faults of one page, by check."""
    faults, url, said = {check: [] for check in CHECKS}, file.resolve().as_uri(), set()
    for width, height in SIZES.items():
        for scheme in ["light", "dark"]:
            where = f"{width} {scheme}"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.on("console", lambda message: faults["console"].append(f"{where}: {message.text}"))
            page.on("pageerror", lambda error: faults["console"].append(f"{where}: {error}"))
            page.goto(url)
            if shots:
                tall = page.evaluate("document.documentElement.scrollHeight") > TALL
                page.screenshot(path=pathlib.Path(shots) / f"{file.stem}-{width}-{scheme}.png", full_page=not tall)
            # Dark differs in colours alone.
            for check, more in (probe(page) if scheme == "light" else page.evaluate(PROBE)).items():
                faults[check] += [f"{where}: {fault}" for fault in more]
            if scheme == "light":
                faults["keyboard"] += [f"{where}: {fault}" for fault in keyboard(page)]
                if shots:
                    page.screenshot(path=pathlib.Path(shots) / f"{file.stem}-{width}-violation.png")
                said |= words(page)
            context.close()
    faults["script"] += without_script(browser, url, said)
    return faults


def main():
    shots, *files = sys.argv[1:]
    if shots:
        pathlib.Path(shots).mkdir(parents=True, exist_ok=True)
    all_faults = {}
    with sync_playwright() as playwright:
        # Its sandbox does not start as root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for file in map(pathlib.Path, files):
            print(f"looking at {file.name}", file=sys.stderr, flush=True)
            all_faults[file.stem] = look(browser, file, shots)
        browser.close()
    width = max(len(name) for name in all_faults)
    print(" " * width, *(f"{check:>9}" for check in CHECKS))
    for name, faults in all_faults.items():
        print(f"{name:<{width}}", *(f"{len(faults[check]) or '·':>9}" for check in CHECKS))
    for name, faults in all_faults.items():
        for check, of in faults.items():
            for fault in of[:SHOWN]:
                print(f"\n{name}: {check}: {fault}", end="")
    failed = any(of for faults in all_faults.values() for of in faults.values())
    print("\nFAIL" if failed else "\nPASS  every page at both widths, light and dark, by keyboard and without scripts")
    sys.exit(failed)


main()
