// Tables: built by DataTables when they come into view. Rows have all digits, for CSV files.
const PAGE = 25; // rows
const PRINTED = 1000; // rows

const LONG = 40; // characters; longer texts wrap

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const FORMULA = /^[=+\-@\t\r]/; // what spreadsheets run

/** A text as a field of a CSV file; after an apostrophe, spreadsheets take it for text (OWASP). */
function textField(text) {
  const safe = FORMULA.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** CSV as in RFC 4180: not rounded, missing values empty, text never a formula. */
function csv(columns, rows) {
  const field = (value, index) => {
    if (value === null) return "";
    return columns[index].numeric ? String(value) : textField(String(value));
  };
  const lines = [columns.map(({ name }) => textField(name)), ...rows.map((row) => row.map(field))];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

function saveTable(name, rows) {
  const content = csv(data.tables[name].columns, rows);
  save(`${data.study}-${name}.csv`, content, "text/csv;charset=utf-8");
}

/** A text as a cell; what is missing is a dash. */
function cell(text) {
  if (text === null) return "–";
  return text.length > LONG ? `<div class="long">${escaped(text)}</div>` : escaped(text);
}

/** A column as people read it; it is sorted by the numbers that it was made of. */
function column({ place, numeric, texts }) {
  const text = (value, row) => (texts ? texts[row] : value);
  const render = (value, kind, _, { row }) => {
    if (kind === "display") return cell(text(value, row));
    if (kind === "filter" || !numeric) return escaped(text(value, row) ?? "");
    return kind === "sort" && value !== null ? Number(value) : value;
  };
  return { data: place, render, type: numeric ? "num" : "string" };
}

function head(headings) {
  const row = document.createElement("tr");
  for (const heading of headings) {
    const cell = document.createElement("th");
    cell.scope = "col";
    if (heading.length > LONG) cell.className = "long";
    cell.textContent = heading;
    row.append(cell);
  }
  const thead = document.createElement("thead");
  thead.append(row);
  return thead;
}

/** The filtered rows, in the order shown. */
const chosen = (box) => box.table.rows({ search: "applied", order: "applied" });

function downloadButton(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "CSV";
  button.title = "All columns and digits; accuracies are fractions of 1";
  button.addEventListener("click", () => saveTable(box.dataset.table, chosen(box).data().toArray()));
  return button;
}

function openTable(box) {
  if (box.table) return;
  const { rows, shown } = data.tables[box.dataset.table];
  const table = document.createElement("table");
  table.className = "compact";
  table.id = `table-${box.dataset.table}`;
  table.append(head(shown.map(({ heading }) => heading)));
  box.append(table);
  const download = downloadButton(box);
  box.table = $(table).DataTable({
    data: rows,
    columns: shown.map(column),
    order: [],
    autoWidth: false,
    stateSave: data.version !== "", // a live page reloads; -1: for the lifetime of the tab
    stateDuration: -1,
    pageLength: PAGE,
    paging: rows.length > PAGE,
    columnControl: ["searchDropdown"],
    language: { search: "Filter", info: "_START_ to _END_ of _TOTAL_ rows", infoFiltered: "(of _MAX_)" },
    layout: {
      topStart: "search",
      topEnd: () => download,
      bottomStart: "info",
      bottomEnd: rows.length > PAGE ? { paging: { firstLast: false, buttons: 5 } } : null,
    },
  });
  box.table.on("draw", () => {
    const left = chosen(box).count();
    download.textContent = left === rows.length ? "CSV" : `CSV of ${left} rows`;
  });
  const frame = box.querySelector(".dt-layout-table");
  frame.tabIndex = 0; // lets the keyboard scroll it
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", box.getAttribute("aria-label"));
}

const boxes = [...document.querySelectorAll("[data-table]")];

function openTablesWhenNear() {
  const observer = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => openTable(target)),
    { rootMargin: "200px" },
  );
  boxes.forEach((box) => observer.observe(box));
}
