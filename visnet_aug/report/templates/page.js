// Addresses, views, filters and keys: what happens when.
"use strict";

(() => {
  const { store, parts } = visnet;
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const VIEWS = [...document.querySelectorAll(".view")].map((view) => view.id);
  const form = byId("filters");
  const scrolled = {}; // how far each view was scrolled when it was left
  let view = null;
  let opened = false; // whether an image was opened from within the page, so that Back closes it

  /** The address of the images that a query asks for. */
  visnet.imagesAddress = (query) => {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return given.length ? `#/images?${new URLSearchParams(given)}` : "#/images";
  };

  /** Go to an address without leaving the present one in the history. */
  visnet.replaceAddress = (address) => {
    history.replaceState(null, "", address);
    route();
  };

  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

  /** Show what the address asks for: #/view, #/families/NAME, #/images?filters or #/image/PATH. */
  const route = () => {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const [name, ...rest] = path.split("/");
    if (name === "image") {
      const i = store.find(rest.map(decoded).join("/"));
      if (i === undefined) parts.say("There is no such image in this report.");
      if (view === null) show("images");
      if (i !== undefined) visnet.detail.open(i);
      else visnet.detail.hide();
      return;
    }
    const last = visnet.detail.current;
    visnet.detail.hide();
    show(VIEWS.includes(name) ? name : "overview");
    if (view === "families") visnet.sheets.family(rest.map(decoded).join("/"));
    if (view === "images") filter(Object.fromEntries(new URLSearchParams(query)));
    if (view === "images" && last !== null) visnet.grid.focusImage(last);
  };

  const show = (name) => {
    if (name === view) return;
    if (view !== null) scrolled[view] = scrollY;
    const before = view;
    view = name;
    root.dataset.view = name;
    for (const link of document.querySelectorAll(".top nav a")) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.querySelector(`.top nav a[data-view="${name}"]`)?.scrollIntoView({ block: "nearest", inline: "center" });
    if (name === "masks") visnet.sheets.masks();
    if (name === "rejected") visnet.sheets.rejected();
    if (name === "images" && shownQuery === null) filter({});
    if (before !== null) scrollTo(0, scrolled[name] ?? 0);
  };

  // Filters.

  let shownQuery = null;

  const query = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

  /** Show the images that a query asks for, and the query in the form. */
  const filter = (wanted) => {
    fillVariants(wanted.family ?? "");
    for (const field of form.elements) if (field.name && field.value !== (wanted[field.name] ?? "")) field.value = wanted[field.name] ?? "";
    const key = JSON.stringify(wanted);
    const active = Object.keys(wanted).filter((name) => store.filters.includes(name) && name !== "q").length;
    byId("active").hidden = active === 0;
    byId("active").textContent = active || "";
    if (key === shownQuery) return;
    if (shownQuery !== null) scrollTo(0, 0);
    shownQuery = key;
    const found = store.select(wanted);
    const identities = new Set(found.map(store.pid).filter((pid) => pid > 0)).size;
    byId("found").textContent = `${parts.number(found.length)} of ${parts.number(store.count)} images, `
      + `${parts.number(identities)} identit${identities === 1 ? "y" : "ies"}`;
    visnet.grid.show(found);
  };

  const fill = (name, options) => {
    const select = form.elements[name];
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  };

  const choices = (values) => [["", "any"], ...values.map((value) => [value, parts.words(String(value))])];

  const fillVariants = (family) => {
    const sheets = store.familySheets.filter((sheet) => family === "" || sheet.name === family);
    fill("variant", choices([...new Set(sheets.flatMap((sheet) => sheet.variants.map((variant) => variant.name)))]));
  };

  const numbered = (column) => [...new Set(store.images[column])].sort((a, b) => a - b);

  const fillForm = () => {
    fill("camera", choices(numbered("camera")));
    fill("split", choices(store.splitWords));
    fill("kind", [["", "any"], ["original", "originals"], ["augmented", "copies"]]);
    fill("family", choices(store.families));
    fillVariants("");
    fill("mask", [["", "any"], ["usable", "usable"], ...(store.verdictWords.includes("edited") ? [["edited", "edited by hand"]] : []),
      ["none", "none"], ...Object.keys(store.maskReasons).filter((reason) => store.verdictWords.includes(`none: ${reason}`))
        .map((reason) => [`none: ${reason}`, `none: ${parts.words(reason)}`])]);
    fill("order", store.orders());
    byId("pids").replaceChildren(...numbered("pid").slice(0, 2000).map((pid) => new Option("", pid)));
  };

  let typing = 0;
  form.addEventListener("input", (event) => {
    if (!event.target.name) return;
    if (event.target.name === "family") form.elements.variant.value = "";
    clearTimeout(typing);
    const go = () => visnet.replaceAddress(visnet.imagesAddress(query()));
    if (event.target.matches("select")) location.hash = visnet.imagesAddress(query()).slice(1);
    else typing = setTimeout(go, 120);
  });
  form.addEventListener("reset", (event) => { event.preventDefault(); location.hash = "/images"; });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => {
    const open = form.classList.toggle("open");
    byId("more").setAttribute("aria-expanded", open);
  });

  // Opening and closing.

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#/']");
    if (link?.getAttribute("href").startsWith("#/image/") && !event.defaultPrevented) opened = visnet.detail.current === null;
    const copied = event.target.closest("[data-copy]");
    if (copied) parts.copy(document.querySelector(copied.dataset.copy).textContent);
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });
  visnet.detail.closed = () => {
    const last = visnet.detail.current;
    visnet.detail.current = null;
    if (opened) history.back();
    else visnet.replaceAddress(view === "images" ? visnet.imagesAddress(query()) : `#/${view}`);
    opened = false;
    if (view === "images") visnet.grid.focusImage(last);
  };

  // Keys.

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === form.elements.q) event.target.blur();
    if (event.target.matches("input:not([type=checkbox], [type=range]), select, textarea") || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      if (view !== "images") location.hash = "/images";
      form.elements.q.focus();
      form.elements.q.select();
    } else if (event.key === "?") byId("help").showModal();
    else if (event.key === "m" && view === "images") visnet.grid.toggleMasks();
    else if (/^[1-9]$/.test(event.key) && VIEWS[event.key - 1]) location.hash = `/${VIEWS[event.key - 1]}`;
    else if (event.key === "ArrowDown" && view === "images" && document.activeElement === document.body) visnet.grid.focus(0);
    else return;
    event.preventDefault();
  });
  byId("keys").addEventListener("click", () => byId("help").showModal());

  /** Begin: the data are there. */
  visnet.start = () => {
    visnet.theme.attach(byId("theme"));
    fillForm();
    visnet.sheets.people();
    visnet.sheets.samples();
    history.scrollRestoration = "manual";
    addEventListener("hashchange", route);
    route();
    root.dataset.ready = "";
  };
})();
