// The page: which part is shown, by the address after #.

import { Api } from "./api";
import { byId, h } from "./dom";
import { askForKey } from "./key";
import { showMeasure } from "./measure";
import { showPast, showSubject } from "./past";
import { problemBox } from "./problem";
import { showResult } from "./result";
import { offerThemes } from "./theme";
import type { Readiness } from "./types";

const READY_RETRY_MS = 2000;
const api = new Api(askForKey);
/** Volumes that were measured since the page was opened; the service keeps none. */
const files = new Map<string, File>();
let close: () => void = () => undefined;

function route(): void {
  close();
  close = () => undefined;
  const main = byId("main");
  const [page, argument] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  markPage(page === "past" || page === "subject" ? "past" : "measure");
  try {
    if (page === "past") showPast(main, api);
    else if (page === "subject" && argument) showSubject(main, api, argument);
    else if (page === "segmentation" && argument) close = showResult(main, api, argument, files);
    else showMeasure(main, api, measured);
  } catch (error) {
    main.replaceChildren(problemBox(error));
  }
  document.title = `${main.querySelector("h1")?.textContent ?? "fetalhead"} · fetalhead`;
  window.scrollTo(0, 0);
}

function measured(id: string, file: File): void {
  files.set(id, file);
  location.hash = `#/segmentation/${id}`;
}

function markPage(current: string): void {
  for (const link of document.querySelectorAll<HTMLElement>("[data-page]")) {
    if (link.dataset.page === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Says in the header which model measures, or why none does; asks again until one does. */
async function showModel(): Promise<void> {
  const answer = await fetch("/health/ready").catch(() => null);
  const place = byId("model");
  if (answer?.ok) {
    const { model, runtime } = (await answer.json()) as Readiness;
    place.className = "model ready";
    place.replaceChildren(h("span", { class: "dot" }), `${model.name} ${model.version}`);
    place.title = `Ready, on ${runtime.provider} (${runtime.precision})`;
    return;
  }
  const failed = answer !== null && ((await answer.json().catch(() => ({}))) as { code?: string }).code === "model_failed";
  place.className = "model waiting";
  const text = failed ? "No model: see Readiness below" : answer ? "The model is loading" : "No connection";
  place.replaceChildren(h("span", { class: "dot" }), text);
  setTimeout(() => void showModel(), READY_RETRY_MS);
}

offerThemes(byId("theme"));
window.addEventListener("hashchange", () => {
  route();
  byId("main").focus({ preventScroll: true });
});
// A volume that misses the drop zone must not replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
route();
void showModel();
