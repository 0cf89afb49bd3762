// Small charts whose bars are buttons. All text comes from items, which may be hostile: it is only ever set as text.

function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "text") element.textContent = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function render({ model, el }) {
  const root = make("div", { class: "pk-live-view pk-facets", "data-lm-suppress-shortcuts": "true" });
  el.append(root);

  function bar(one, largest) {
    const parts = one.parts.filter((part) => part.count).map((part) =>
      make("span", { class: `pk-${part.tone}`, style: `width:${Math.max(0.5, (100 * part.count) / largest)}%` }));
    const button = make("button", { type: "button", class: "pk-facet", "aria-pressed": String(one.pressed),
      "aria-label": one.words, title: one.words, disabled: one.disabled, "data-id": one.id },
      make("span", { class: "pk-label", text: one.label }),
      make("span", { class: "pk-count", text: one.count.toLocaleString("en-US") }),
      make("span", { class: "pk-track", "aria-hidden": "true" }, ...parts));
    button.addEventListener("click", () => {
      model.set("pressed", { id: one.id, times: (model.get("pressed").times || 0) + 1 });
      model.save_changes();
    });
    return make("li", {}, button);
  }

  function draw() {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    root.replaceChildren(...model.get("groups").map((group) => {
      const largest = Math.max(1, ...group.bars.map((one) => one.count));
      return make("section", { "aria-label": group.title }, make("h5", { text: group.title }), make("p", { text: group.hint }),
        make("ul", {}, ...group.bars.map((one) => bar(one, largest))));
    }));
    if (focused !== null) [...root.querySelectorAll("button")].find((one) => one.dataset.id === focused)?.focus();
  }

  root.addEventListener("keydown", (event) => event.stopPropagation());
  model.on("change:groups", draw);
  draw();
  return () => model.off("change:groups", draw);
}

export default { render };
