// The dialog that asks for an API key. The key itself is kept by `api.ts`, until the tab closes.

import { h } from "./dom";

/** Asks once, and says if the key before was `wrong`; null where the dialog was closed without a key. */
export function askForKey(wrong: boolean): Promise<string | null> {
  const field = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "key-title" }, "Please enter your access key"),
    wrong && h("p", { class: "wrong", role: "alert" }, "This key is not valid here, or no longer."),
    h("label", { for: "key" }, "Key"),
    field,
    h("p", { class: "small" }, "It is kept in this tab only, until the tab is closed. Ask your administrator for a key."),
    h(
      "div",
      { class: "row" },
      h("button", { type: "submit", class: "primary", value: "use" }, "Use this key"),
      h("button", { type: "submit", value: "cancel", formnovalidate: true }, "Cancel"),
    ),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "key-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" && field.value.trim() ? field.value.trim() : null);
    });
  });
}
