// Runs before anything is painted: the colours that were chosen last, and the view that the address names.
"use strict";

const visnet = {};

(() => {
  const KEY = "visnet-theme";
  const NAMES = { auto: "as the system", light: "light", dark: "dark" };
  const root = document.documentElement;

  // A browser may refuse storage to pages that were opened as files.
  const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* chosen for this visit alone */ } };

  const apply = (theme) => { root.dataset.theme = theme in NAMES ? theme : "auto"; };

  visnet.theme = {
    /** Let a button go through the themes. */
    attach(button) {
      const show = () => {
        button.setAttribute("aria-label", `Colours: ${NAMES[root.dataset.theme]}`);
        button.title = button.getAttribute("aria-label");
      };
      button.addEventListener("click", () => {
        const names = Object.keys(NAMES);
        apply(names[(names.indexOf(root.dataset.theme) + 1) % names.length]);
        store(root.dataset.theme);
        show();
      });
      show();
    },
  };

  apply(stored() ?? "auto");
  root.dataset.view = (location.hash.match(/^#\/([a-z]+)/) ?? [])[1]?.replace(/^image$/, "images") ?? "overview";
})();
