// A table to search, sort and choose from. Content is only ever set as text.
const MOST = 200;
let lists = 0;

function make(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return String(left).localeCompare(String(right));
}

function render({ model, el }) {
  const id = `pk-tables-${++lists}`;
  let sorted = 0;
  let up = true;
  el.classList.add("pk-tables");

  const find = make("input", { type: "search", id: `${id}-find`, placeholder: "part of a table's name", autocomplete: "off" });
  const said = make("span", { class: "pk-tables-said", role: "status" });
  const top = make("div", { class: "pk-tables-top" });
  top.append(make("label", { for: `${id}-find` }, "Find a table"), find, said);

  const table = make("table", { "aria-label": model.get("label") });
  const head = make("tr");
  const body = make("tbody");
  const thead = make("thead");
  thead.append(head);
  table.append(thead, body);
  const scroll = make("div", { class: "pk-tables-scroll" });
  scroll.append(table);
  el.append(top, scroll);

  const headings = model.get("columns").map((column, place) => {
    const heading = make("th", { scope: "col", class: column.number ? "pk-num" : "" });
    const button = make("button", { type: "button", title: `Sort by ${column.name}` }, column.name);
    button.addEventListener("click", () => {
      up = sorted === place ? !up : !column.number;
      sorted = place;
      draw();
    });
    heading.append(button);
    head.append(heading);
    return heading;
  });

  function draw() {
    const wanted = find.value.trim().toLowerCase();
    const all = model.get("rows");
    const found = all.filter((row) => row.name.toLowerCase().includes(wanted));
    const order = up ? 1 : -1;
    found.sort((one, other) =>
      order * compare(one.cells[sorted].sort, other.cells[sorted].sort) || compare(one.cells[0].sort, other.cells[0].sort));
    headings.forEach((heading, place) =>
      heading.setAttribute("aria-sort", place === sorted ? (up ? "ascending" : "descending") : "none"));
    const focused = body.contains(document.activeElement) ? document.activeElement.value : null;
    body.replaceChildren(...found.slice(0, MOST).map(line));
    if (focused !== null) [...body.querySelectorAll("input")].find((one) => one.value === focused)?.focus();
    const shown = Math.min(found.length, MOST);
    const more = found.length > MOST ? `, the first ${shown} shown: search to narrow it down` : "";
    said.textContent = `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} tables${more}`;
  }

  function line(row) {
    const drawn = make("tr");
    const chosen = row.name === model.get("value");
    drawn.classList.toggle("pk-chosen", chosen);
    row.cells.forEach((cell, place) => {
      const where = make(place ? "td" : "th", place ? {} : { scope: "row" });
      if (model.get("columns")[place].number) where.classList.add("pk-num");
      if (place === 0) {
        const label = make("label");
        const radio = make("input", { type: "radio", name: id, value: row.name });
        radio.checked = chosen;
        radio.addEventListener("change", () => choose(row.name));
        label.append(radio, make("span", {}, cell.text));
        where.append(label);
      } else if (cell.tone) {
        where.append(make("span", { class: `pk-tables-tag pk-is-${cell.tone}` }, cell.text));
      } else {
        where.textContent = cell.text;
      }
      drawn.append(where);
    });
    drawn.addEventListener("click", () => {
      drawn.querySelector("input").checked = true;
      choose(row.name);
    });
    return drawn;
  }

  function choose(name) {
    if (name === model.get("value")) return;
    model.set("value", name);
    model.save_changes();
  }

  function mark() {
    for (const radio of body.querySelectorAll("input")) {
      radio.checked = radio.value === model.get("value");
      radio.closest("tr").classList.toggle("pk-chosen", radio.checked);
    }
  }

  find.addEventListener("input", draw);
  // JupyterLab's shortcuts must not take keys that are typed here.
  el.addEventListener("keydown", (event) => { if (event.target.matches("input, button")) event.stopPropagation(); });
  model.on("change:rows", draw);
  model.on("change:value", mark);
  draw();
  return () => { model.off("change:rows", draw); model.off("change:value", mark); };
}

export default { render };
