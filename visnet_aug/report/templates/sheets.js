// Contact sheets: a person before all families, variants from weak to strong, masks, the rejected.
"use strict";

visnet.sheets = (() => {
  const { store, parts } = visnet;
  const { make, number, words } = parts;
  // Heights of pictures in CSS pixels: six pairs or twelve single ones side by side, on a phone two or four.
  const narrow = matchMedia("(max-width: 760px)").matches;
  const PAIR = narrow ? 160 : 188;
  const SINGLE = narrow ? 150 : 176;
  const ALONE = 232;

  /** What stands left of a copy: its source, or where the set has none the copy with its mask. */
  const before = (i, box) => {
    const source = store.source(i);
    return typeof source === "number" ? parts.picture(source, box) : parts.picture(i, box, { masked: true });
  };

  const level = (value) => {
    const bar = make("span", { class: "level", "aria-hidden": "true" });
    bar.style.setProperty("--level", value);
    return bar;
  };

  const pair = (i, among, caption, height = PAIR) => {
    const box = parts.box(height);
    const link = make("a", { class: `tile pair ${parts.style(store.family(i))}`, href: parts.address(i) },
      make("span", { class: "two" }, before(i, box), parts.picture(i, box)), level(store.intensity(i)), caption);
    link.addEventListener("click", () => { visnet.detail.among = among; });
    return link;
  };

  const drawn = (i, numbers) => make("span", { class: "caption", title: numbers },
    make("b", {}, store.intensity(i).toFixed(2)), numbers && ` ${numbers}`);

  const rated = (i) => (store.quality(i) < 0 ? store.confidence(i) : store.quality(i));

  const single = (i, among, masked) => {
    const tile = parts.tile(i, parts.box(SINGLE), among, { masked });
    const caption = store.area(i) < 0 || (store.verdict(i) ?? "").endsWith("no_person") ? `identity ${store.pid(i)}`
      : `${(store.area(i) / 10).toFixed(0)} % · ${(rated(i) / 1000).toFixed(2)}`;
    tile.append(make("span", { class: "caption", title: "mask area · quality, or confidence where none is predicted" }, caption));
    return tile;
  };

  const sheet = (title, note, tiles, more, style = "") => make("section", { class: `sheet ${style}`, "aria-label": title },
    make("header", { class: "subhead" }, make("h2", {}, title), make("p", { class: "quiet" }, note), more),
    make("div", { class: "tiles" }, ...tiles));

  /** A link to all images of a kind, with as many as it finds. */
  const moreLink = (query) => make("a", { class: "all", href: visnet.imagesAddress(query) },
    `all ${number(store.matching(query).length)} →`);

  /** The same, of images that masks were made of: copies share the mask of their source, which is enough where it is there. */
  const maskLink = (query) => moreLink({ ...query, kind: store.keepsOriginals ? "original" : "" });

  const sheets = {};

  /** Show the person with a number, and let the buttons step through them. */
  sheets.people = () => {
    const section = document.getElementById("people");
    section.hidden = store.people.length === 0;
    if (section.hidden) return;
    let current = 0;
    const show = () => {
      const copies = store.people[current];
      const sources = [...new Set(copies.map((i) => store.source(i)))];
      const one = sources.length === 1 && typeof sources[0] === "number"; // all made of one image
      const alone = (i, name) => {
        const tile = parts.tile(i, parts.box(ALONE), copies);
        tile.append(name);
        return tile;
      };
      // As large as lets all of them stand side by side, but on a phone.
      const room = (document.getElementById("person").clientWidth - 40 - 16 * (copies.length - 1)) / copies.length;
      const height = Math.min(PAIR, Math.max(140, Math.floor((room - 5) / 2 / parts.box(100)[0] * 100)));
      const named = (i) => make("span", { class: `caption ${parts.style(store.family(i))}` },
        make("b", {}, words(store.family(i))), ` ${words(store.variant(i)).replaceAll("+", " + ")}`);
      document.getElementById("person").replaceChildren(
        ...(one ? [alone(sources[0], make("span", { class: "caption" }, make("b", {}, "source")))] : []),
        ...copies.map((i) => (one ? alone(i, named(i)) : pair(i, copies, named(i), height))));
      document.getElementById("people-title").textContent = `One identity, ${copies.length} families`;
      document.getElementById("person-number").textContent =
        `identity ${store.pid(copies[0])} · ${current + 1} of ${store.people.length}`;
    };
    const turn = (by) => { current = (current + by + store.people.length) % store.people.length; show(); };
    document.getElementById("person-before").addEventListener("click", () => turn(-1));
    document.getElementById("person-after").addEventListener("click", () => turn(1));
    show();
  };

  /** Fill the families' cards with a few copies each. */
  sheets.samples = () => {
    for (const row of document.querySelectorAll(".family .row")) {
      const family = store.familySheets[Number(row.dataset.family)];
      const strongest = family.variants.map((variant) => variant.examples.at(-2) ?? variant.examples[0]);
      const more = family.variants.flatMap((variant) => variant.examples.slice(2, -2).reverse());
      const shown = [...new Set([...strongest, ...more])].slice(0, 6);
      row.replaceChildren(...shown.map((i) => parts.picture(i, parts.box(104))));
    }
  };

  /** Show the variants of a family. */
  sheets.family = (name) => {
    const family = store.familySheets.find((one) => one.name === name) ?? store.familySheets[0];
    for (const chip of document.querySelectorAll("#families .chip")) {
      if (chip.dataset.family === family?.name) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
    if (!family) return;
    const among = family.variants.flatMap((variant) => variant.examples);
    document.getElementById("family").replaceChildren(
      make("p", { class: "quiet" }, `${number(family.copies)} copies of ${number(family.images)} images and ${number(family.identities)} identities. `,
        make("a", { class: "all", href: visnet.imagesAddress({ family: family.name }) }, "show them all →")),
      ...family.variants.map((variant) => sheet(
        words(variant.name).replaceAll("+", " + "),
        `${number(variant.copies)} copies, intensity ${variant.weakest.toFixed(2)} to ${variant.strongest.toFixed(2)}`,
        variant.examples.map((i, k) => pair(i, among, drawn(i, variant.drawn[k]))),
        moreLink({ family: family.name, variant: variant.name }),
        parts.style(family.name))));
  };

  /** Show masks that were used. */
  sheets.masks = () => {
    const among = store.maskSheets.flatMap((group) => group.examples);
    document.getElementById("mask-sheets").replaceChildren(
      make("p", { class: "quiet" }, "Under each: its share of the image, and its predicted quality."),
      ...store.maskSheets.map((group) => sheet(group.title, note(group),
        group.examples.map((i) => single(i, among, true)),
        maskLink(maskQuery(group.key)))));
  };

  const note = (group) => `${number(group.count)} mask${group.count === 1 ? "" : "s"}${group.note && `, ${group.note}`}`;

  const maskQuery = (key) => {
    if (key.startsWith("camera")) return { camera: key.slice(6), mask: "usable" };
    if (key === "edited") return { mask: "edited" };
    return { mask: "usable", order: { worst: "quality", unsure: "confidence", smallest: "area", largest: "-area" }[key] };
  };

  /** Show images without a usable mask. */
  sheets.rejected = () => {
    const among = store.rejectedSheets.flatMap((group) => group.examples);
    document.getElementById("rejected-sheets").replaceChildren(...store.rejectedSheets.map((group) => sheet(
      group.title,
      `${number(group.count)} image${group.count === 1 ? "" : "s"}: ${group.note}`
        + (group.examples.length ? "" : "; they are not in this set"),
      group.examples.map((i) => single(i, among, false)),
      group.examples.length ? maskLink({ mask: `none: ${group.key}` }) : null)));
  };

  return sheets;
})();
