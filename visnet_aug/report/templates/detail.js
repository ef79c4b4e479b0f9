// One image: its source, its mask, its record, its sisters, and the command that makes it again.
"use strict";

visnet.detail = (() => {
  const { store, parts } = visnet;
  const { make, number, words } = parts;
  const byId = (id) => document.getElementById(id);
  const dialog = byId("detail");
  const mask = byId("detail-mask");

  const detail = {
    /** The images that Next and Previous go through; null for those of the grid. */
    among: null,
    /** The image that is open, or null. */
    current: null,
    /** Called when the dialog was closed by the person. */
    closed: () => {},
  };

  /** Show an image. */
  detail.open = (i) => {
    detail.current = i;
    byId("detail-name").textContent = store.name(i);
    showPlace(i);
    showPictures(i);
    showSisters(i);
    showCommand(i);
    showLinks(i);
    showRecord(i);
    if (!dialog.open) {
      dialog.showModal();
      dialog.querySelector(".detail").scrollTop = 0;
    }
  };

  detail.hide = () => {
    detail.current = null;
    if (dialog.open) dialog.close();
  };

  const list = () => {
    const among = detail.among ?? visnet.grid.found;
    return among.includes(detail.current) ? among : Array.from({ length: store.count }, (_, i) => i);
  };

  const showPlace = (i) => {
    const among = list();
    const place = among.indexOf(i);
    byId("detail-place").textContent = `${number(place + 1)} of ${number(among.length)}`;
    byId("detail-before").disabled = place === 0;
    byId("detail-after").disabled = place === among.length - 1;
  };

  /** Go to the next image (1) or the previous one (-1). */
  detail.step = (by) => {
    const among = list();
    const next = among[among.indexOf(detail.current) + by];
    if (next !== undefined) visnet.replaceAddress(parts.address(next));
  };

  const showPictures = (i) => {
    const source = store.source(i);
    const figures = [];
    if (store.isCopy(i) && typeof source === "number") figures.push(figure(source, "source"));
    figures.push(figure(i, store.isCopy(i) ? words(store.family(i)) : "original"));
    byId("detail-pictures").replaceChildren(...figures);
    const note = [];
    if (store.isCopy(i) && typeof source === "string") {
      note.push(`The source ${source} is not in this set: its composition keeps no originals.`);
    }
    if (!store.linkable(i)) note.push("Shown enlarged from the report: the image lies in a tar shard.");
    byId("detail-note").textContent = note.join(" ");
    mask.disabled = store.mask(i) < 0;
    mask.parentElement.title = mask.disabled ? "This image has no mask." : "";
  };

  /** An image as large as its file has it, at most as large as there is room for. */
  const figure = (i, caption) => {
    const [width, height] = store.size(i);
    const picture = make("span", { class: "full" });
    picture.style.aspectRatio = `${width} / ${height}`;
    picture.style.setProperty("--aspect", width / height);
    if (store.linkable(i) && store.brightness(i) >= 0) {
      picture.append(make("img", { src: parts.fileAddress(store.path(i)), alt: parts.describe(i), draggable: "false" }));
    } else {
      picture.append(enlarged(() => parts.picture(i, store.cell)));
    }
    if (mask.checked && store.mask(i) >= 0) picture.append(parts.isReduced(i) ? exactMask(i) : enlarged(() => maskAlone(i)));
    return make("figure", {}, picture, make("figcaption", {}, caption));
  };

  /** The mask's own file, for images that are larger than what sprites show. */
  const exactMask = (i) => {
    const element = make("img", { class: "exact", alt: "" });
    store.record(i).then((record) => { element.src = parts.fileAddress(record.mask); });
    return element;
  };

  const maskAlone = (i) => {
    const picture = parts.picture(i, store.cell, { masked: true });
    picture.style.backgroundImage = "none";
    picture.removeAttribute("role");
    picture.removeAttribute("aria-label");
    return picture;
  };

  /** A sprite, scaled to the picture that it lies in. */
  const enlarged = (draw) => {
    const holder = make("span", { class: "enlarged" }, draw());
    new ResizeObserver(() => {
      const sprite = holder.firstElementChild;
      sprite.style.transform = `scale(${holder.clientWidth / sprite.offsetWidth})`;
    }).observe(holder);
    return holder;
  };

  const showSisters = (i) => {
    const sisters = store.sisters(i);
    byId("sisters").hidden = sisters.length < 2;
    byId("detail-sisters").replaceChildren(...sisters.map((sister) => {
      const tile = parts.tile(sister, parts.box(104), detail.among);
      if (sister === i) tile.setAttribute("aria-current", "true");
      const family = store.family(sister);
      tile.append(make("span", { class: `caption ${family === null ? "" : parts.style(family)}` },
        family === null ? "source" : words(family)));
      tile.addEventListener("click", (event) => { event.preventDefault(); visnet.replaceAddress(parts.address(sister)); });
      return tile;
    }));
  };

  /** Quote a word for a POSIX shell. */
  const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

  /** The set's folder: where this page is, or as it was named when the page was made. */
  const folder = () => {
    if (location.protocol !== "file:") return store.out;
    const path = decodeURIComponent(new URL("..", location.href).pathname).replace(/\/$/, "");
    return path.replace(/^\/([A-Za-z]:)/, "$1") || "/";
  };

  const showCommand = (i) => {
    byId("replay").hidden = !store.isCopy(i);
    if (!store.isCopy(i)) return;
    const source = typeof store.source(i) === "string" ? ["--src SOURCE_DATASET"] : [];
    const command = ["visnet-aug replay", quoted(folder()), quoted(store.path(i)), ...source];
    byId("command").replaceChildren(...command.flatMap((word) => [make("span", {}, word), " "]).slice(0, -1));
  };

  const showLinks = (i) => {
    const link = (address, text) => make("a", { href: address }, text);
    const links = [link(visnet.imagesAddress({ pid: store.pid(i) }), `identity ${store.pid(i)}`),
      link(visnet.imagesAddress({ pid: store.pid(i), camera: store.camera(i) }), `its camera ${store.camera(i)}`)];
    if (store.isCopy(i)) {
      links.push(link(visnet.imagesAddress({ family: store.family(i), variant: store.variant(i) }), words(store.variant(i))));
    }
    if (store.linkable(i)) links.push(link(parts.fileAddress(store.path(i)), "the file"));
    byId("detail-links").replaceChildren(...links);
  };

  const showRecord = async (i) => {
    const record = byId("record").tBodies[0];
    const [width, height] = store.size(i);
    const lines = (more) => [
      ["path", store.path(i)], ["split", store.split(i)], ["pid", store.pid(i)], ["camid", store.camera(i)],
      ["sequence", store.sequence(i)], ["frame", store.frame(i)], ["kind", store.kind(i)], ["source", store.sourcePath(i)],
      ["copy", store.copy(i)], ["family", store.family(i)], ["variant", store.variant(i)], ["intensity", store.intensity(i)],
      ["seed", more.seed],
      ...Object.entries(more.params ?? {}).map(([name, value]) => [`· ${name}`, typeof value === "object" ? JSON.stringify(value) : value]),
      ["mask", more.mask ?? (store.verdict(i) ?? "none")],
      ["mask_area", more.mask_area ?? measured(store.area(i))], ["mask_confidence", more.mask_confidence ?? measured(store.confidence(i))],
      ["mask_quality", more.mask_quality ?? measured(store.quality(i))],
      ["width × height", `${width} × ${height}`], ["sha256", more.sha256],
      ...["brightness", "contrast", "saturation", "sharpness"].map((name) => [name, store[name](i) < 0 ? null : store[name](i)]),
    ];
    const write = (more) => record.replaceChildren(...lines(more)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, String(value)))));
    write({});
    try {
      const more = await store.record(i);
      if (detail.current === i) write(more);
    } catch (error) {
      parts.say(error.message);
    }
  };

  const measured = (thousandths) => (thousandths < 0 ? null : thousandths / 1000);

  byId("detail-before").addEventListener("click", () => detail.step(-1));
  byId("detail-after").addEventListener("click", () => detail.step(1));
  byId("detail-close").addEventListener("click", () => dialog.close());
  mask.addEventListener("change", () => showPictures(detail.current));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (detail.current !== null) detail.closed(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("pre")) return;
    if (event.key === "ArrowLeft") detail.step(-1);
    else if (event.key === "ArrowRight") detail.step(1);
    else if (event.key === "m" && !mask.disabled) mask.click();
    else if (event.key === "c" && store.isCopy(detail.current)) parts.copy(byId("command").textContent);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return detail;
})();
