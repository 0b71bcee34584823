// The page as a whole: light and dark themes, printing, and updates of a live page.
const root = document.documentElement;
const themeSwitch = document.getElementById("theme-switch");
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(theme) {
  root.dataset.theme = theme;
  root.classList.toggle("dark", theme === "dark"); // read by DataTables
  themeSwitch.textContent = theme === "dark" ? "Light" : "Dark";
  themeSwitch.setAttribute("aria-label", `Show the page ${theme === "dark" ? "light" : "dark"}`);
  return redraw();
}

themeSwitch.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
systemDark.addEventListener("change", () => setTheme(systemDark.matches ? "dark" : "light"));

/** For printing: open all details, use the light theme and show whole tables. */
function unroll() {
  const before = { theme: root.dataset.theme, closed: document.querySelectorAll("main details:not([open])") };
  before.closed.forEach((one) => (one.open = true));
  setTheme("light");
  figures.forEach(draw);
  boxes.forEach(openTable);
  boxes.forEach((box) => box.table.page.len(Math.min(PRINTED, box.table.rows().count() || 1)).draw());
  const rollUp = () => {
    before.closed.forEach((one) => (one.open = false));
    boxes.forEach((box) => box.table.page.len(PAGE).draw());
    setTheme(before.theme);
  };
  addEventListener("afterprint", rollUp, { once: true });
}

addEventListener("beforeprint", unroll);

const SECONDS = 3; // between two requests for the version
const KEPT = `superconv_ray ${data.study}`;

const details = [...document.querySelectorAll("details")];
const topOf = (part) => part.getBoundingClientRect().top;
const nameOf = (one) => `${one.closest("section")?.id}: ${one.querySelector("summary").textContent}`;

/** Stores the section in view, open details and the heights of charts. */
function keepPlace() {
  const section = [...document.querySelectorAll("main, section")].findLast((part) => topOf(part) <= 0);
  const place = {
    theme: root.dataset.theme,
    open: details.filter((one) => one.open).map(nameOf),
    heights: figures.map((figure) => [figure.dataset.chart, drawingOf(figure).offsetHeight]),
    section: section?.id,
    top: section && topOf(section),
  };
  sessionStorage.setItem(KEPT, JSON.stringify(place));
}

/** Restores the view, even if new trials added sections. */
function findPlace() {
  const place = JSON.parse(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  if (!place) return;
  setTheme(place.theme);
  details.forEach((one) => (one.open = place.open.includes(nameOf(one))));
  const heights = new Map(place.heights);
  for (const figure of figures) drawingOf(figure).style.minHeight = `${heights.get(figure.dataset.chart) ?? 0}px`;
  const section = document.getElementById(place.section);
  if (section) scrollTo({ top: scrollY + topOf(section) - place.top, behavior: "instant" });
}

/** Reloads the page if the server has a newer version. */
async function lookForNews() {
  const state = document.getElementById("live-state");
  try {
    const answer = await fetch("version", { cache: "no-store" });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    state.textContent = "This page is live: it reloads when trials end.";
    const typing = document.activeElement.tagName === "INPUT";
    if (text !== data.version && !typing) {
      keepPlace();
      return location.reload();
    }
  } catch (error) {
    state.textContent = `Connection lost; this is the last version (${error.message}).`;
  }
  setTimeout(lookForNews, SECONDS * 1000);
}

setTheme(systemDark.matches ? "dark" : "light");
if (innerWidth < 1200) document.querySelector("nav details").open = false; // it is above the report
drawWhenNear();
drawAgainOnResize();
openTablesWhenNear();
if (data.version) {
  history.scrollRestoration = "manual"; // the browser would restore it later and differently
  findPlace();
  setTimeout(lookForNews, SECONDS * 1000);
}
