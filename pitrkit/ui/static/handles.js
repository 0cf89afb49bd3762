// Names for the handles of the sliders beside it: ipywidgets draws them without, so a screen reader could not tell them.

function render({ model, el }) {
  el.style.display = "none";
  let watcher, removed = false;

  function name(box) {
    box.querySelectorAll(".noUi-handle").forEach((handle, place) => {
      const given = model.get("names")[place];
      if (given && handle.getAttribute("aria-label") !== given) handle.setAttribute("aria-label", given);
    });
  }

  function start() {
    const box = el.closest(".pk-named-slider");
    if (!box) {
      if (!removed) requestAnimationFrame(start); // not in the page yet
      return;
    }
    watcher = new MutationObserver(() => name(box));
    watcher.observe(box, { childList: true, subtree: true });
    name(box);
  }

  start();
  return () => {
    removed = true;
    watcher?.disconnect();
  };
}

export default { render };
