// Past measurements: searched, and one subject's volumes over gestational age.

import { weeksAndDays } from "./gestational-age";
import type { Api } from "./api";
import { datedScans, growthChart } from "./growth";
import { announce, h } from "./dom";
import { problemBox } from "./problem";
import { repeatsFigure } from "./repeats";
import type { GrowthBand, VolumeItem, VolumePage } from "./types";
import { DECISION_NAMES, VERDICT_NAMES, day, millilitres, verdictName } from "./words";

const TYPING_PAUSE_MS = 250;
const PAGE_SIZE = 50;
const MOST_OF_A_SUBJECT = 1000;
const COLUMNS = ["Measured", "Subject", "Volume, mL", "Checks", "Decision", "Weeks", "95 % interval"];

export function showPast(main: HTMLElement, api: Api): void {
  const search = h("input", { id: "search", type: "search", placeholder: "Subject or identifier", autocomplete: "off" });
  const verdict = h(
    "select",
    { id: "verdict" },
    h("option", { value: "" }, "all"),
    ...Object.entries(VERDICT_NAMES).map(([value, name]) => h("option", { value }, value === "ok" ? `${name}, or with a note` : name)),
  );
  const list = h("div", { class: "list", "aria-live": "off" });
  let asked = 0;
  const refresh = () => {
    const mine = ++asked;
    void load(list, api, filterOf(search.value, verdict.value), () => mine === asked);
  };
  let pause = 0;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = window.setTimeout(refresh, TYPING_PAUSE_MS);
  });
  verdict.addEventListener("change", refresh);
  main.replaceChildren(
    h("h1", {}, "Past measurements"),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("div", { class: "field" }, h("label", { for: "search" }, "Search"), search),
      h("div", { class: "field" }, h("label", { for: "verdict" }, "Checks"), verdict),
    ),
    list,
    repeats(api),
  );
  refresh();
}

/** How far repeated scans of all subjects differ; asked for once it is opened. */
function repeats(api: Api): HTMLElement {
  const place = h("div", {}, h("p", { class: "small" }, "Loading"));
  const section = h("details", { class: "repeated" }, h("summary", {}, "How far repeated scans differ"), place);
  section.addEventListener("toggle", () => {
    if (!section.open) return;
    api
      .json<VolumePage>("/volume?limit=1&repeats=true")
      .then(({ summary }) => place.replaceChildren(repeatsFigure(summary.repeats!)))
      .catch((error: unknown) => place.replaceChildren(problemBox(error)));
  });
  return section;
}

export function showSubject(main: HTMLElement, api: Api, subject: string): void {
  const place = h("div", {}, h("p", { class: "small" }, "Loading"));
  main.replaceChildren(
    h("p", {}, h("a", { href: "#/past" }, "All measurements")),
    h("h1", {}, `Subject ${subject}`),
    place,
  );
  const query = new URLSearchParams({ subject, limit: String(MOST_OF_A_SUBJECT) });
  Promise.all([api.json<VolumePage>(`/volume?${query}`), api.json<GrowthBand>("/growth")])
    .then(([page, band]) => place.replaceChildren(...subjectContent(page, band)))
    .catch((error: unknown) => place.replaceChildren(problemBox(error)));
}

function subjectContent({ items, summary }: VolumePage, band: GrowthBand): Node[] {
  if (items.length === 0) return [emptyNote("Nothing has been measured for this subject.")];
  const drawn = datedScans(summary.scans!);
  const figure = h(
    "figure",
    { class: "growth" },
    growthChart(drawn, band),
    h(
      "figcaption",
      {},
      h("strong", {}, band.label),
      ` The band is the mean ± ${band.z} SD. ${band.source}. It gives no centile.`,
    ),
  );
  const missing = items.length - drawn.length;
  const note = `${missing} of ${items.length} measurements are not drawn: they have no gestational age or no volume, were rejected, or are of a file that was measured again.`;
  return [
    drawn.length ? figure : emptyNote("No scan here has both a volume and a gestational age. Type the age when you measure, to see the volume plotted over it."),
    ...(drawn.length && missing > 0 ? [h("p", { class: "small" }, note)] : []),
    ...(summary.repeats!.count ? [h("h2", {}, "Repeated scans"), repeatsFigure(summary.repeats!)] : []),
    table(items),
  ];
}

function filterOf(search: string, verdict: string): URLSearchParams {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  if (search.trim()) query.set("search", search.trim());
  if (verdict) query.set("verdict", verdict);
  return query;
}

/** Lists what fits; an answer that comes after a newer question is dropped. */
async function load(list: HTMLElement, api: Api, query: URLSearchParams, wanted: () => boolean, before: VolumeItem[] = []): Promise<void> {
  try {
    const page = await api.json<VolumePage>(`/volume?${query}`);
    if (!wanted()) return;
    const items = [...before, ...page.items];
    if (items.length === 0) {
      const filtered = query.has("search") || query.has("verdict");
      list.replaceChildren(emptyNote(filtered ? "No matches. Shorten the search, or show all results." : "Nothing has been measured yet."));
      announce("No measurement found");
      return;
    }
    list.replaceChildren(table(items));
    announce(`${items.length} measurements listed`);
    if (!page.next) return;
    query.set("cursor", page.next);
    list.append(h("button", { type: "button", onclick: () => void load(list, api, query, wanted, items) }, "Show more"));
  } catch (error) {
    if (wanted()) list.replaceChildren(problemBox(error));
  }
}

function emptyNote(text: string): HTMLElement {
  return h("div", { class: "empty" }, h("p", {}, text), h("a", { href: "#/" }, "Measure a volume"));
}

function table(items: VolumeItem[]): HTMLElement {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Measurements" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...items.map(row)),
    ),
  );
}

function row(item: VolumeItem): HTMLElement {
  const interval = item.head_volume_interval_ml;
  const volume = item.valid_volume_ml;
  const edited = volume !== null && volume !== item.head_volume_ml;
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: `#/segmentation/${item.id}` }, day(item.created_at))),
    h("td", {}, item.subject && h("a", { href: `#/subject/${encodeURIComponent(item.subject)}` }, item.subject)),
    h("td", { class: "number strong" }, volume === null ? "none" : millilitres(volume)),
    h("td", {}, h("span", { class: `chip ${item.verdict}` }, verdictName(item.verdict, item.flags.length))),
    h("td", {}, decisionOf(item), item.outdated && h("span", { class: "again" }, "Mask changed since: decide again")),
    h("td", { class: "number" }, item.gestational_age_weeks !== null && weeksAndDays(item.gestational_age_weeks)),
    h("td", { class: "number" }, edited ? "edited by a reader" : volume !== null && interval && `${millilitres(interval[0])} to ${millilitres(interval[1])}`),
  );
}

function decisionOf({ decision }: VolumeItem): string {
  return decision ? DECISION_NAMES[decision] : "none yet";
}
