// The images as columns, and the questions that the page asks of them.
"use strict";

visnet.store = (() => {
  const store = { count: 0 };
  const records = new Map(); // number of a chunk to a promise of its records
  const arrived = new Map(); // number of a chunk to what keeps that promise

  const NUMBERS = ["pid", "camera", "sequence", "frame", "source", "origin", "copy", "intensity", "mask", "area", "confidence", "quality",
    "brightness", "contrast", "saturation", "sharpness", "linkable"];
  const CODED = ["folder", "split", "size", "family", "variant", "verdict"];

  /** Take the data; called once, by images.js. */
  store.load = (data) => {
    Object.assign(store, data);
    const columns = data.images;
    for (const name of NUMBERS) store[name] = (i) => columns[name][i];
    for (const name of CODED) {
      const { words, codes } = columns[name];
      store[name] = (i) => words[codes[i]];
      store[`${name}Words`] = words.filter((word) => word !== null);
    }
    store.name = (i) => columns.name[i];
    store.count = columns.name.length;
  };

  store.path = (i) => (store.folder(i) ? `${store.folder(i)}/${store.name(i)}` : store.name(i));
  store.isCopy = (i) => store.family(i) !== null;
  store.kind = (i) => (store.isCopy(i) ? "augmented" : "original");

  /** The path of the image that one was made from, in the source dataset. */
  store.sourcePath = (i) => {
    const source = store.source(i);
    return typeof source === "string" ? source : store.origin(source) || store.path(source);
  };

  let copiesOf = null;
  /** All that was made of the image that one was made from, in order, the image itself first. */
  store.sisters = (i) => {
    if (copiesOf === null) {
      copiesOf = new Map();
      for (let j = 0; j < store.count; j++) {
        const source = store.source(j);
        if (copiesOf.has(source)) copiesOf.get(source).push(j);
        else copiesOf.set(source, [j]);
      }
    }
    return [...copiesOf.get(store.source(i))].sort((a, b) => store.isCopy(a) - store.isCopy(b) || a - b);
  };

  let places = null;
  /** The number of the image at a path, or undefined. */
  store.find = (path) => {
    places ??= new Map(Array.from({ length: store.count }, (_, i) => [store.path(i), i]));
    return places.get(path);
  };

  let texts = null;
  const text = (i) => {
    texts ??= Array.from({ length: store.count }, (_, j) =>
      `${store.path(j)}\n${store.sourcePath(j)}\n${store.family(j) ?? ""}\n${store.variant(j) ?? ""}`.toLowerCase());
    return texts[i];
  };

  const ORDERS = {
    intensity: ["Intensity", (i) => store.intensity(i)],
    area: ["Mask area", (i) => (store.area(i) < 0 ? null : store.area(i))],
    confidence: ["Mask confidence", (i) => (store.confidence(i) < 0 ? null : store.confidence(i))],
    quality: ["Mask quality", (i) => (store.quality(i) < 0 ? null : store.quality(i))],
    brightness: ["Brightness", (i) => store.brightness(i)],
    contrast: ["Contrast", (i) => store.contrast(i)],
    saturation: ["Saturation", (i) => store.saturation(i)],
    sharpness: ["Sharpness", (i) => store.sharpness(i)],
  };

  /** The orders that images can be shown in: value and name of each. */
  store.orders = () => [["", "As in the set"], ...Object.entries(ORDERS).flatMap(([key, [name]]) =>
    [[key, `${name}, rising`], [`-${key}`, `${name}, falling`]])];

  const TESTS = {
    pid: (wanted) => (i) => String(store.pid(i)) === wanted,
    camera: (wanted) => (i) => String(store.camera(i)) === wanted,
    split: (wanted) => (i) => store.split(i) === wanted,
    kind: (wanted) => (i) => store.kind(i) === wanted,
    family: (wanted) => (i) => store.family(i) === wanted,
    variant: (wanted) => (i) => store.variant(i) === wanted,
    mask: (wanted) => {
      const unusable = (i) => (store.verdict(i) ?? "none").startsWith("none");
      if (wanted === "none") return unusable;
      return wanted === "usable" ? (i) => !unusable(i) : (i) => store.verdict(i) === wanted;
    },
    q: (wanted) => {
      const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
      return (i) => words.every((word) => text(i).includes(word));
    },
  };

  /** The names of what can be asked for. */
  store.filters = Object.keys(TESTS);

  /** The numbers of the images that the filters of a query ask for. */
  store.matching = (query) => {
    const tests = store.filters.filter((name) => query[name]).map((name) => TESTS[name](query[name]));
    const found = [];
    for (let i = 0; i < store.count; i++) if (tests.every((test) => test(i))) found.push(i);
    return found;
  };

  /** The same in the order that the query asks for. */
  store.select = (query) => {
    const found = store.matching(query);
    const order = (query.order ?? "").replace(/^-/, "");
    if (order in ORDERS) {
      const falling = query.order.startsWith("-") ? -1 : 1;
      const value = ORDERS[order][1];
      // What has no such value stands last either way.
      found.sort((a, b) => (value(a) === null) - (value(b) === null) || falling * (value(a) - value(b)) || a - b);
    }
    return found;
  };

  /** A promise of what only an image's whole record says. */
  store.record = async (i) => {
    const chunk = Math.floor(i / store.perChunk);
    if (!records.has(chunk)) {
      records.set(chunk, new Promise((resolve, reject) => {
        arrived.set(chunk, resolve);
        const script = document.createElement("script");
        script.src = `${document.body.dataset.parts}/records-${String(chunk).padStart(4, "0")}.js`;
        script.onerror = () => { records.delete(chunk); reject(new Error("its record cannot be read; make the report again")); };
        document.head.append(script);
      }));
    }
    return (await records.get(chunk))[i % store.perChunk];
  };

  visnet.records = (chunk, list) => arrived.get(chunk)?.(list);
  visnet.images = (data) => { store.load(data); visnet.start(); };

  return store;
})();
