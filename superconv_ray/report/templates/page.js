// The page as a whole: light and dark, paper, and what a page that is still being written asks.
const root = document.documentElement;
const themeSwitch = document.getElementById("theme-switch");
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(theme) {
  root.dataset.theme = theme;
  root.classList.toggle("dark", theme === "dark"); // what DataTables looks at
  themeSwitch.textContent = theme === "dark" ? "Light" : "Dark";
  themeSwitch.setAttribute("aria-label", `Show the page ${theme === "dark" ? "light" : "dark"}`);
  return redraw();
}

themeSwitch.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
systemDark.addEventListener("change", () => setTheme(systemDark.matches ? "dark" : "light"));

/** On paper all is open, light, and tables are whole. */
function unroll() {
  const before = { theme: root.dataset.theme, closed: document.querySelectorAll("main details:not([open])") };
  before.closed.forEach((details) => (details.open = true));
  setTheme("light");
  figures.forEach(draw);
  boxes.forEach(openTable);
  boxes.forEach((box) => box.table.page.len(Math.min(PRINTED, box.table.rows().count() || 1)).draw());
  const rollUp = () => {
    before.closed.forEach((details) => (details.open = false));
    boxes.forEach((box) => box.table.page.len(PAGE).draw());
    setTheme(before.theme);
  };
  addEventListener("afterprint", rollUp, { once: true });
}

addEventListener("beforeprint", unroll);

/** Asks the server every few seconds whether this is still what there is to see. */
const SECONDS = 3;
const KEPT = `superconv_ray ${data.study}`;

function keepPlace() {
  const near = [...document.querySelectorAll("main section")].findLast((part) => part.getBoundingClientRect().top <= 0);
  const open = [...document.querySelectorAll("details")].map((details) => details.open);
  const place = { theme: root.dataset.theme, open, near: near?.id, below: near?.getBoundingClientRect().top ?? -scrollY };
  sessionStorage.setItem(KEPT, JSON.stringify(place));
}

function findPlace() {
  const place = JSON.parse(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  if (!place) return;
  document.querySelectorAll("details").forEach((details, index) => (details.open = place.open[index] ?? details.open));
  setTheme(place.theme);
  const top = document.getElementById(place.near)?.getBoundingClientRect().top ?? 0;
  scrollTo({ top: scrollY + top - place.below, behavior: "instant" });
}

async function lookForNews() {
  const state = document.getElementById("live-state");
  try {
    const answer = await fetch("version", { cache: "no-store" });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    state.textContent = "This page follows the study: it loads itself anew when trials end.";
    if (text !== data.version) {
      keepPlace();
      return location.reload();
    }
  } catch (error) {
    state.textContent = `This page has lost its study and shows the last that it saw (${error.message}).`;
  }
  setTimeout(lookForNews, SECONDS * 1000);
}

setTheme(systemDark.matches ? "dark" : "light");
if (innerWidth < 1200) document.querySelector("nav details").open = false; // there it stands above the report
drawWhenNear();
drawAgainOnResize();
openTablesWhenNear();
if (data.version) {
  findPlace();
  setTimeout(lookForNews, SECONDS * 1000);
}
