// The file of a measurement that is looked at later: the service keeps none, so the page asks for it and checks it.

import { h } from "./dom";
import { Complaint, problemBox } from "./problem";
import type { Report } from "./types";

/** Asks for the file where this page does not have it; `onChosen` hears of the very file that was measured. */
export function ownFile(report: Report, files: Map<string, File>, onChosen: (file: File) => void): HTMLElement | null {
  if (files.has(report.id)) return null;
  const place = h("div", {});
  const chooser = h("input", { type: "file", id: "own-file", class: "unseen", tabindex: -1, "aria-hidden": "true" });
  const box = h(
    "section",
    { class: "own-file" },
    h("p", {}, "The service keeps no volumes. Choose this measurement's file to see it under the outline."),
    h("button", { type: "button", onclick: () => chooser.click() }, "Choose the file"),
    chooser,
    place,
  );
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files ?? [];
    if (!file) return;
    const hash = await sha256(file);
    if (hash !== null && hash !== report.input.sha256) return place.replaceChildren(problemBox(differs()));
    files.set(report.id, file);
    box.remove();
    onChosen(file);
  });
  return box;
}

/** Null where the page is not served securely and the browser computes none. */
async function sha256(file: File): Promise<string | null> {
  if (!globalThis.isSecureContext) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function differs(): Complaint {
  const remedy = "Choose the file that was sent for this measurement, unchanged; or measure this one as a new volume.";
  return new Complaint("This is another file", remedy, "Its content is not what was measured here.");
}
