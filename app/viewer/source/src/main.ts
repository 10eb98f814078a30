// The page: which part is shown, by the address after #.

import { Api, below } from "./api";
import { byId, h } from "./dom";
import { askForKey } from "./api-key";
import { MeasurePage } from "./measure-page";
import { showPast, showSubject } from "./past-pages";
import { problemBox } from "./problem";
import { showResult } from "./result-page";
import { offerThemes } from "./theme";
import { mayLeave } from "./unsaved";
import type { Readiness, Report } from "./types";

const READY_RETRY_MS = 2000;
const READY_WATCH_MS = 15_000;
const WAITING: Record<string, string> = { model_failed: "No model", stopping: "The service is stopping" };
const api = new Api(askForKey);
/** Volumes that were measured since the page was opened; the service keeps none. */
const files = new Map<string, File>();
const measurePage = new MeasurePage(api, (id, file, goThere) => {
  files.set(id, file);
  if (goThere) location.hash = `#/segmentation/${id}`;
});
const measureAgain = (report: Report) => {
  measurePage.prepare(report, files.get(report.id) ?? null);
  location.hash = "#/";
};
let close: () => void = () => undefined;
let shown = location.hash;

function route(): void {
  close();
  close = () => undefined;
  const main = byId("main");
  const [page, argument] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  markPage(page === "past" || page === "subject" ? "past" : "measure");
  try {
    if (page === "past") showPast(main, api);
    else if (page === "subject" && argument) showSubject(main, api, argument);
    else if (page === "segmentation" && argument) close = showResult(main, api, argument, files, measureAgain);
    else measurePage.show(main);
  } catch (error) {
    main.replaceChildren(problemBox(error));
  }
  document.title = `${main.querySelector("h1")?.textContent ?? "fetalhead"} · fetalhead`;
  window.scrollTo(0, 0);
}

function markPage(current: string): void {
  for (const link of document.querySelectorAll<HTMLElement>("[data-page]")) {
    if (link.dataset.page === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Says in the header which model measures, or why none does; and goes on asking. */
async function showModel(): Promise<void> {
  const answer = await fetch(below("/health/ready")).catch(() => null);
  const place = byId("model");
  if (answer?.ok) {
    const { model, runtime } = (await answer.json()) as Readiness;
    place.className = "model ready";
    place.replaceChildren(h("span", { class: "dot" }), `${model.name} ${model.version}`);
    showOutage(false);
    place.title = `Ready, on ${runtime.provider} (${runtime.precision})`;
    setTimeout(() => void showModel(), READY_WATCH_MS);
    return;
  }
  const code = answer && ((await answer.json().catch(() => ({}))) as { code?: string }).code;
  place.className = "model waiting";
  place.replaceChildren(h("span", { class: "dot" }), answer ? (WAITING[code ?? ""] ?? "The model is loading") : "No connection");
  showOutage(code === "model_failed");
  setTimeout(() => void showModel(), READY_RETRY_MS);
}

/** Tells before a volume is sent in vain. */
function showOutage(out: boolean): void {
  const place = byId("outage");
  if (place.hidden === !out) return;
  place.hidden = !out;
  place.textContent = out ? "Nothing can be measured now: the service has no model. The operator can see why under Readiness, at the foot of this page, and in the service's log." : "";
}

offerThemes(byId("theme"));
window.addEventListener("hashchange", () => {
  if (location.hash === shown) return;
  if (!mayLeave()) return history.replaceState(null, "", shown || "#/");
  shown = location.hash;
  route();
  const main = byId("main");
  if (!main.contains(document.activeElement)) main.focus({ preventScroll: true }); // a page may have placed it itself
});
// A volume that misses the drop zone must not replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
route();
void showModel();
