// What all views are made of: elements, pictures out of sprite sheets, masks over them.
"use strict";

visnet.parts = (() => {
  const store = visnet.store;
  const parts = {};

  /** Make an element. Text is text, whatever it holds: nothing here ever reads markup. */
  parts.make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const make = parts.make;

  parts.words = (name) => name.replaceAll("_", " ");
  parts.number = (value) => value.toLocaleString("en");

  /** The class that colours a family. */
  parts.style = (family) => store.styles[store.families.indexOf(family)];

  /** The address of a file of the set, seen from the page. */
  parts.fileAddress = (path) => `../${path.split("/").map(encodeURIComponent).join("/")}`;

  /** The address of an image within the page. */
  parts.address = (i) => `#/image/${store.path(i).split("/").map(encodeURIComponent).join("/")}`;

  const sheetAddress = (kind, number, suffix) =>
    `${document.body.dataset.parts}/${kind}-${String(number).padStart(4, "0")}.${suffix}`;

  /** The size of an image's picture in its sheet, as `Cell.fit` of sprites.py has it. */
  const drawnSize = (i) => {
    const [width, height] = store.size(i);
    const scale = Math.min(store.cell[0] / width, store.cell[1] / height, 1);
    return [Math.max(1, Math.floor(width * scale + 0.5)), Math.max(1, Math.floor(height * scale + 0.5))];
  };

  /** Whether an image is larger than its picture in the sheet. */
  parts.isReduced = (i) => drawnSize(i)[1] < store.size(i)[1];

  const cut = (element, address, place, scale) => {
    const [width, height] = store.cell;
    const column = place % store.columns;
    const row = Math.floor(place / store.columns);
    element.style.backgroundImage = `url("${address}")`;
    element.style.backgroundPosition = `${-column * width * scale}px ${-row * height * scale}px`;
    element.style.backgroundSize = `${store.columns * width * scale}px auto`;
  };

  /** Say in a few words what an image shows, for those who don't see it. */
  parts.describe = (i) => {
    const who = store.pid(i) > 0 ? `identity ${store.pid(i)}` : store.pid(i) === 0 ? "distractor" : "junk";
    const how = store.isCopy(i)
      ? `${parts.words(store.family(i))}, ${parts.words(store.variant(i))}, intensity ${store.intensity(i).toFixed(2)}`
      : "original";
    return `${store.name(i)}: ${who}, camera ${store.camera(i)}, ${how}`;
  };

  /** An image's picture, fitted into a box of CSS pixels; with its mask if wanted and there is one. */
  parts.picture = (i, box, { masked = false } = {}) => {
    const [width, height] = drawnSize(i);
    const scale = Math.min(box[0] / width, box[1] / height);
    const element = make("span", { class: "picture", role: "img", "aria-label": parts.describe(i) });
    element.style.width = `${Math.round(width * scale)}px`;
    element.style.height = `${Math.round(height * scale)}px`;
    if (store.brightness(i) < 0) element.classList.add("missing");
    else cut(element, sheetAddress("images", Math.floor(i / store.perSheet), "jpg"), i % store.perSheet, scale);
    if (masked && store.mask(i) >= 0) element.append(parts.mask(i, scale));
    return element;
  };

  /** The mask of an image to lie over its picture. */
  parts.mask = (i, scale) => {
    const element = make("span", { class: "mask" });
    const mask = store.mask(i);
    cut(element, sheetAddress("masks", Math.floor(mask / store.perSheet), "png"), mask % store.perSheet, scale);
    return element;
  };

  /** A picture that opens its image's details; `among` is what Next and Previous go through. */
  parts.tile = (i, box, among, options = {}) => {
    const link = make("a", { class: "tile", href: parts.address(i) }, parts.picture(i, box, options));
    link.addEventListener("click", () => { visnet.detail.among = among; });
    return link;
  };

  /** The box of pictures that are `height` CSS pixels high, as wide as suits most of them. */
  parts.box = (height) => {
    const aspect = Math.min(Math.max(store.cell[0] / store.cell[1], 0.35), 2);
    return [Math.round(height * aspect), height];
  };

  let fading = 0;
  /** Say something for a moment. */
  parts.say = (text) => {
    const toast = document.getElementById("said");
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(fading);
    fading = setTimeout(() => toast.classList.remove("shown"), 1800);
  };

  /** Copy a text; pages that were opened as files may have to do it the old way. */
  parts.copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { class: "unseen" });
      area.value = text;
      (document.querySelector("dialog[open]") ?? document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    parts.say("Copied");
  };

  return parts;
})();
