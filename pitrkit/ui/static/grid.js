// A page of changes as a grid. All text comes from items, which may be hostile: it is only ever set as text.

function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const SIZES = [10, 20, 50, 100];

function render({ model, el }) {
  const root = make("div", { class: "pk-live-view", "data-lm-suppress-shortcuts": "true" });
  const box = make("div", { class: "pk-rows", "aria-busy": "false" });
  const head = make("tr");
  const body = make("tbody");
  const table = make("table", { role: "grid", "aria-label": "Changes", "aria-describedby": "" },
    make("thead", {}, head), body);
  const said = make("span", { class: "pk-said", role: "status", "aria-live": "polite" });
  const turn = (text, label, to) =>
    make("button", { type: "button", "aria-label": label, title: label, text, onclick: () => go(to()) });
  const last = () => Math.max(0, Math.ceil(model.get("total") / model.get("length")) - 1);
  const first = turn("«", "First page", () => 0);
  const back = turn("‹", "Previous page", () => model.get("page") - 1);
  const next = turn("›", "Next page", () => model.get("page") + 1);
  const end = turn("»", "Last page", last);
  const field = make("input", { type: "number", min: "1", "aria-label": "Page",
    onchange: () => go(Math.round(Number(field.value) || 1) - 1) });
  const pages = make("span");
  const size = make("select", { "aria-label": "Rows per page", onchange: () => set({ length: Number(size.value) }) },
    ...SIZES.map((count) => make("option", { value: count, text: `${count} rows` })));
  box.append(make("div", { class: "pk-line" }), make("div", { class: "pk-scroll" }, table),
    make("div", { class: "pk-foot" }, said, size, first, back, make("label", {}, field, " ", pages), next, end));
  root.append(box);
  el.append(root);

  let active = 0;
  let focus = null; // where the focus goes once the next page is here

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    box.setAttribute("aria-busy", "true");
    model.save_changes();
  }

  function go(page, then = null) {
    const to = Math.min(Math.max(page, 0), last());
    if (to === model.get("page")) { drawFoot(); return; }
    focus = then;
    set({ page: to });
  }

  function sort(id) {
    const [by, down] = model.get("sort");
    set({ sort: by === id ? [id, !down] : [id, false] });
  }

  function pick(row, on) {
    const kept = model.get("picked").filter((one) => one !== row);
    model.set("picked", on ? [...kept, row] : kept);
    model.save_changes();
  }

  function open(row) {
    model.set("opened", row);
    model.save_changes();
  }

  function drawHead() {
    const [by, down] = model.get("sort");
    head.replaceChildren(make("td", { class: "pk-tick" }));
    for (const column of model.get("columns")) {
      const state = column.id !== by ? "none" : down ? "descending" : "ascending";
      const mark = state === "none" ? "" : down ? " ↓" : " ↑";
      const inner = column.sortable
        ? make("button", { type: "button", class: "pk-sort", title: `Sort by ${column.label}`, text: column.label + mark,
            onclick: () => sort(column.id) })
        : make("span", { text: column.label });
      head.append(make("th", { scope: "col", "aria-sort": column.sortable ? state : null,
        class: column.number ? "pk-num" : null }, inner));
    }
  }

  function cell(one) {
    if (one.tag) return make("td", {}, make("span", { class: `pk-tag pk-${one.tag}`, text: one.tag }));
    const classes = ["pk-value", one.differs && "pk-differs", one.quiet && "pk-quiet", one.number && "pk-num"];
    return make("td", { class: classes.filter(Boolean).join(" "), title: one.text, text: one.text });
  }

  function drawRows() {
    const rows = model.get("rows");
    const held = body.contains(document.activeElement);
    const picked = new Set(model.get("picked"));
    const from = model.get("page") * model.get("length");
    active = focus === "last" ? rows.length - 1 : focus === "first" ? 0 : Math.min(active, Math.max(0, rows.length - 1));
    body.replaceChildren(...rows.map((one, place) => {
      const tick = make("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${one.name}`,
        onclick: (event) => event.stopPropagation(), onchange: () => pick(one.row, tick.checked) });
      tick.checked = picked.has(one.row);
      return make("tr", { tabindex: place === active ? "0" : "-1", "aria-rowindex": from + place + 2,
        "aria-selected": String(tick.checked), "aria-current": String(one.row === model.get("opened")), "data-row": one.row,
        onclick: () => { activate(place); open(one.row); } },
        make("td", { class: "pk-tick" }, tick), ...one.cells.map(cell));
    }));
    if (!rows.length) {
      body.append(make("tr", { "aria-current": "false" },
        make("td", { class: "pk-empty", colspan: model.get("columns").length + 1, text: "No change matches these filters." })));
    }
    table.setAttribute("aria-rowcount", model.get("total") + 1);
    if ((held || focus) && rows.length) body.children[active].focus({ preventScroll: true });
    focus = null;
    box.setAttribute("aria-busy", "false");
    drawFoot();
  }

  function drawFoot() {
    const total = model.get("total");
    const from = model.get("page") * model.get("length");
    const shown = model.get("rows").length;
    const ticked = model.get("picked").length;
    const number = (count) => count.toLocaleString("en-US");
    const place = shown ? `${number(from + 1)} to ${number(from + shown)} of ${number(total)} changes` : "0 changes";
    const text = ticked ? `${place}, ${number(ticked)} selected` : place;
    if (said.textContent !== text) said.textContent = text;
    field.value = model.get("page") + 1;
    field.max = last() + 1;
    pages.textContent = `of ${number(last() + 1)}`;
    size.value = model.get("length");
    first.disabled = back.disabled = model.get("page") <= 0;
    next.disabled = end.disabled = model.get("page") >= last();
  }

  function mark() {
    const opened = model.get("opened");
    const picked = new Set(model.get("picked"));
    for (const row of body.querySelectorAll("tr[data-row]")) {
      const number = Number(row.dataset.row);
      row.setAttribute("aria-current", String(number === opened));
      row.setAttribute("aria-selected", String(picked.has(number)));
      row.querySelector("input").checked = picked.has(number);
    }
    drawFoot();
  }

  function activate(place) {
    const rows = body.querySelectorAll("tr[data-row]");
    if (!rows.length) return;
    rows[active]?.setAttribute("tabindex", "-1");
    active = Math.min(Math.max(place, 0), rows.length - 1);
    rows[active].setAttribute("tabindex", "0");
    rows[active].focus();
  }

  const keys = {
    ArrowDown: () => active + 1 < model.get("rows").length ? activate(active + 1) : go(model.get("page") + 1, "first"),
    ArrowUp: () => active > 0 ? activate(active - 1) : go(model.get("page") - 1, "last"),
    PageDown: () => go(model.get("page") + 1, "first"),
    PageUp: () => go(model.get("page") - 1, "first"),
    Home: () => go(0, "first"),
    End: () => go(last(), "last"),
    Enter: () => open(model.get("rows")[active].row),
    " ": () => {
      const { row } = model.get("rows")[active];
      pick(row, !model.get("picked").includes(row));
    },
  };
  body.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("tr[data-row]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = keys[event.key];
    if (!key) return;
    event.preventDefault();
    key();
  });
  // JupyterLab reads single letters as commands on cells: none of what is typed here is meant for it.
  root.addEventListener("keydown", (event) => event.stopPropagation());

  async function copied({ copy, words }) {
    if (copy === undefined) return;
    let done = true;
    try {
      await navigator.clipboard.writeText(copy);
    } catch {
      const area = make("textarea", { "aria-hidden": "true", style: "position:fixed;opacity:0" });
      area.value = copy;
      root.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    said.textContent = done ? words : "The browser does not allow writing to the clipboard. Save as CSV instead.";
  }

  const listening = {
    "change:columns": drawHead, "change:sort": drawHead, "change:rows": drawRows, "change:total": drawFoot,
    "change:opened": mark, "change:picked": mark,
    "change:busy": () => box.setAttribute("aria-busy", String(model.get("busy"))),
    "msg:custom": copied,
  };
  for (const [event, does] of Object.entries(listening)) model.on(event, does);
  drawHead();
  drawRows();
  return () => { for (const [event, does] of Object.entries(listening)) model.off(event, does); };
}

export default { render };
