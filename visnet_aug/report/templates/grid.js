// All images, of which only those on the screen are elements of the page.
"use strict";

visnet.grid = (() => {
  const { store, parts } = visnet;
  const HEIGHTS = [72, 100, 136, 200, 288]; // of pictures, by the slider's place
  const GAP = 10;
  const CAPTION = 20;
  const BEYOND = 3; // rows drawn above and below the screen

  const element = document.getElementById("grid");
  const zoom = document.getElementById("zoom");
  const masks = document.getElementById("show-masks");
  const grid = { found: [] };

  let columns = 1;
  let step = 1; // height of a row
  let box = [1, 1];
  let current = 0; // place in `found` that has the focus, or would get it
  let drawn = new Map(); // number of a row to its element

  const rows = () => Math.ceil(grid.found.length / columns);

  /** Whether the grid is on the page, and its data are there. */
  const visible = () => element.offsetParent !== null && store.count > 0;

  /** Show other images. */
  grid.show = (found) => {
    grid.found = found;
    current = 0;
    element.setAttribute("aria-rowcount", rows());
    document.getElementById("nothing").hidden = found.length > 0;
    layOut();
  };

  /** Compute sizes anew, and draw everything anew. */
  const layOut = () => {
    if (!visible()) return;
    box = parts.box(HEIGHTS[zoom.value - 1]);
    // On a narrow screen at least three pictures stand side by side.
    const widest = (element.clientWidth - 2 * GAP) / 3;
    if (box[0] > widest) box = box.map((side) => side * widest / box[0]);
    columns = Math.max(1, Math.floor((element.clientWidth + GAP) / (box[0] + GAP)));
    step = Math.round(box[1]) + CAPTION + GAP;
    element.style.height = `${rows() * step}px`;
    element.setAttribute("aria-rowcount", rows());
    element.setAttribute("aria-colcount", columns);
    element.replaceChildren();
    drawn = new Map();
    draw();
  };

  const draw = () => {
    if (!visible()) return;
    const top = -element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / step) - BEYOND);
    const last = Math.min(rows() - 1, Math.ceil((top + innerHeight) / step) + BEYOND);
    const focused = element.contains(document.activeElement) ? Math.floor(current / columns) : -1;
    for (const [row, one] of drawn) {
      if ((row < first || row > last) && row !== focused) { one.remove(); drawn.delete(row); }
    }
    for (let row = first; row <= last; row++) if (!drawn.has(row)) drawRow(row);
  };

  const drawRow = (row) => {
    const one = parts.make("div", { role: "row", "aria-rowindex": row + 1 });
    one.style.transform = `translateY(${row * step}px)`;
    one.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    for (let place = row * columns; place < Math.min((row + 1) * columns, grid.found.length); place++) one.append(cell(place));
    drawn.set(row, one);
    // In the order of the images, so that screen readers and Tab go through them in it.
    const after = [...drawn.keys()].filter((other) => other > row).sort((a, b) => a - b)[0];
    element.insertBefore(one, after === undefined ? null : drawn.get(after));
  };

  const cell = (place) => {
    const i = grid.found[place];
    const tile = parts.tile(i, box, null, { masked: masks.checked });
    tile.dataset.place = place;
    tile.tabIndex = place === current ? 0 : -1;
    tile.title = store.name(i);
    const family = store.family(i);
    tile.append(parts.make("span", { class: `caption ${family === null ? "" : parts.style(family)}` },
      family === null ? `${store.pid(i)} · c${store.camera(i)}` : parts.words(family)));
    return parts.make("div", { role: "gridcell", "aria-colindex": place % columns + 1 }, tile);
  };

  const tileAt = (place) => element.querySelector(`[data-place="${place}"]`);

  /** Give a place the focus, and bring it on the screen. */
  grid.focus = (place) => {
    if (!grid.found.length) return;
    tileAt(current)?.setAttribute("tabindex", -1);
    current = Math.max(0, Math.min(place, grid.found.length - 1));
    const top = Math.floor(current / columns) * step + element.getBoundingClientRect().top;
    const bars = document.querySelector(".filters").getBoundingClientRect().bottom;
    if (top < bars + GAP) scrollBy(0, top - bars - GAP);
    else if (top + step > innerHeight) scrollBy(0, top + step - innerHeight);
    draw();
    const tile = tileAt(current);
    tile?.setAttribute("tabindex", 0);
    tile?.focus({ preventScroll: true });
  };

  /** Give an image the focus, if it is among those that are shown. */
  grid.focusImage = (i) => {
    const place = grid.found.indexOf(i);
    if (place >= 0 && visible()) grid.focus(place);
  };

  const page = () => Math.max(1, Math.floor(innerHeight / step) - 1) * columns;
  const MOVES = {
    ArrowLeft: () => current - 1,
    ArrowRight: () => current + 1,
    ArrowUp: () => (current >= columns ? current - columns : current),
    ArrowDown: () => (current + columns < grid.found.length ? current + columns : current),
    PageUp: () => current - page(),
    PageDown: () => current + page(),
    Home: () => 0,
    End: () => grid.found.length - 1,
  };

  element.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES) || event.altKey || event.metaKey) return;
    event.preventDefault();
    grid.focus(MOVES[event.key]());
  });
  element.addEventListener("focusin", (event) => {
    const tile = event.target.closest("[data-place]");
    if (!tile) return;
    tileAt(current)?.setAttribute("tabindex", -1);
    current = Number(tile.dataset.place);
    tile.setAttribute("tabindex", 0);
  });

  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  new ResizeObserver(() => layOut()).observe(document.getElementById("images"));
  zoom.addEventListener("input", layOut);
  masks.addEventListener("change", layOut);

  /** Turn masks on or off. */
  grid.toggleMasks = () => { masks.click(); };

  return grid;
})();
