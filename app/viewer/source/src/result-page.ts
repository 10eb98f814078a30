// One measurement: the number with its interval, what the checks say, the planes, and what the reader makes of it.

import type { Api } from "./api";
import { DecisionPanel } from "./decision";
import { h } from "./dom";
import { Editing } from "./editing";
import { weeksAndDays } from "./gestational-age";
import { ownFile } from "./own-file";
import { Complaint, ServiceError, problemBox } from "./problem";
import type { Flag, Report, Unfinished } from "./types";
import { reviewNotes, validOf } from "./valid";
import { asSentence, day, flagRemedy, flagTitle, millilitres, verdictWords } from "./words";
import { Viewport } from "./viewport";

const SIZES: Record<string, string> = {
  head_circumference_mm: "Head circumference",
  biparietal_diameter_mm: "Biparietal diameter",
  occipitofrontal_diameter_mm: "Occipitofrontal diameter",
};

const IDENTIFIER = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ELSEWHERE = "Look for it under Past measurements.";

/** Hears that a measurement is to be made again, with the voxel size that its file lacks. */
export type OnAgain = (report: Report) => void;

/** Shows the measurement; gives what closes it. */
export function showResult(main: HTMLElement, api: Api, id: string, files: Map<string, File>, onAgain: OnAgain): () => void {
  let viewport: Viewport | null = null;
  if (!IDENTIFIER.test(id)) {
    main.replaceChildren(h("h1", {}, "Measurement"), problemBox(new Complaint("No measurement has this address", ELSEWHERE)));
    return () => undefined;
  }
  main.replaceChildren(h("h1", {}, "Measurement"), h("p", { class: "small" }, "Loading"));
  void api
    .json<Report | Unfinished>(`/segmentations/${id}`)
    .then((report) => {
      if (report.status !== "completed") throw unfinished(report);
      viewport = new Viewport(api, report);
      main.replaceChildren(...content(api, report, viewport, files, onAgain));
      return viewport.open(files.get(id) ?? null);
    })
    .catch((error: unknown) => main.replaceChildren(h("h1", {}, "Measurement"), problemBox(error)));
  return () => viewport?.close();
}

/** Why there is no result to show. */
function unfinished({ status, problem }: Unfinished): ServiceError {
  if (status === "failed" && problem) return new ServiceError(problem);
  if (status === "cancelled") return new Complaint("This measurement was cancelled", "Measure the volume again.");
  return new Complaint("This volume is still being measured", "Reload this page in a moment.");
}

function content(api: Api, report: Report, viewport: Viewport, files: Map<string, File>, onAgain: OnAgain): Node[] {
  const review = (report.review ??= { decision: null, edit: null });
  const found = h("div", { class: "numbers" });
  let facts = details(report);
  const show = () => {
    found.replaceChildren(valid(report), verdict(report, onAgain));
    const renewed = details(report);
    facts.replaceWith(renewed);
    facts = renewed;
  };
  const decision = new DecisionPanel(api, report, (made) => {
    review.decision = made;
    show();
  });
  const editing = new Editing(api, report, viewport, (edit) => {
    review.edit = edit;
    show();
    decision.saved(edit);
  });
  const chooser = ownFile(report, files, (file) => viewport.open(file));
  show();
  const left = h("div", { class: "looking" }, chooser, viewport.element);
  viewport.tools.append(editing.element);
  const rest = h("div", { class: "numbers after" }, decision.element, downloads(api, report), facts);
  return [h("h1", {}, title(report)), h("div", { class: "result" }, found, left, rest)];
}

function title(report: Report): string {
  return report.subject ? `Subject ${report.subject}` : "Head volume";
}

/** The volume that counts now, and what readers made of the measurement. */
function valid(report: Report): HTMLElement {
  const { volume, interval, rejected } = validOf(report);
  const when = h("p", { class: "small" }, day(report.created_at), report.gestational_age_weeks !== null && `, ${weeksAndDays(report.gestational_age_weeks)} weeks`);
  const subject = report.subject && h("p", {}, h("a", { href: `#/subject/${encodeURIComponent(report.subject)}` }, "All volumes of this subject"));
  const notes = reviewNotes(report).map((note) => h("p", { class: "review-note" }, note));
  const number = volume === null
    ? h("p", { class: "big none" }, rejected ? "Rejected" : "No volume")
    : h("p", { class: "big" }, h("span", { id: "volume" }, millilitres(volume)), " ", h("abbr", { title: "millilitres" }, "mL"));
  return h(
    "section",
    { class: "figure", "aria-label": "Valid volume" },
    number,
    interval && h("p", { class: "interval" }, `95 % interval ${millilitres(interval[0])} to ${millilitres(interval[1])} mL`, h("br"), h("span", { class: "small" }, "from the model's validation")),
    ...notes,
    when,
    subject,
  );
}

function verdict(report: Report, onAgain: OnAgain): HTMLElement {
  const found = verdictWords(report.verdict, report.flags.length);
  const words = report.review?.decision ? { title: `The model's outline: ${found.title.toLowerCase()}`, text: "" } : found;
  return h(
    "section",
    { class: `verdict ${report.review?.decision ? "decided" : report.verdict}` },
    h("h2", {}, words.title),
    words.text !== "" && h("p", {}, words.text),
    report.flags.length > 0 && h("ul", { class: "flags" }, ...report.flags.map((raised) => flag(raised, () => onAgain(report)))),
    ...checksOfEdit(report, onAgain),
  );
}

function checksOfEdit(report: Report, onAgain: OnAgain): Node[] {
  const flags = report.review?.edit?.findings.flags ?? [];
  if (flags.length === 0) return [];
  return [h("h3", {}, "Checks of the edited mask"), h("ul", { class: "flags" }, ...flags.map((raised) => flag(raised, () => onAgain(report))))];
}

function flag({ code, detail, remedy }: Flag, onAgain: () => void): HTMLElement {
  const again = code === "spacing_suspicious" && h("button", { type: "button", onclick: onAgain }, "Enter the voxel size");
  return h("li", {}, h("strong", {}, flagTitle(code)), h("span", {}, asSentence(detail)), h("span", { class: "remedy" }, flagRemedy(code, remedy)), again);
}

function downloads(api: Api, report: Report): HTMLElement {
  const files: [string, string, string][] = [
    ["PDF report", `/segmentations/${report.id}/report.pdf`, "head-volume.pdf"],
    ["Mask (NIfTI)", `/segmentations/${report.id}/mask`, "mask.nii.gz"],
    ["Picture (PNG)", `/segmentations/${report.id}/preview.png`, "preview.png"],
    ["Numbers (JSON)", `/segmentations/${report.id}`, "report.json"],
    ["All files (.zip)", `/segmentations/${report.id}/archive.zip`, "segmentation.zip"],
  ];
  const place = h("div", {});
  const buttons = files.map(([text, path, name]) =>
    h("button", { type: "button", onclick: () => void save(api, path, name, place) }, text),
  );
  return h("section", { "aria-label": "Downloads" }, h("h2", {}, "Download"), h("div", { class: "row" }, ...buttons), place);
}

/** Through the page and not by a plain link, since the service may ask for a key. */
async function save(api: Api, path: string, name: string, place: HTMLElement): Promise<void> {
  try {
    const url = URL.createObjectURL(new Blob([await api.bytes(path)]));
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    place.replaceChildren();
  } catch (error) {
    place.replaceChildren(problemBox(error));
  }
}

function details(report: Report): HTMLElement {
  const sizes = Object.entries(validOf(report).sizes ?? {}).flatMap(([name, size]): [string, string][] =>
    size === null ? [] : [[SIZES[name] ?? name, `${size.toFixed(0)} mm`]],
  );
  const { shape, spacing_mm: spacing, sha256 } = report.input;
  const facts: [string, string][] = [
    ...sizes,
    ["Model", `${report.model.name} ${report.model.version}`],
    ["Computed on", `${report.runtime.provider.replace("ExecutionProvider", "")}, ${report.runtime.precision}, ${report.timings_s.total?.toFixed(1) ?? "?"}\u00a0s`],
    ["Voxels", `${shape.join(" × ")}, of ${voxelSize(spacing)} mm`],
    ["File (SHA-256)", sha256.slice(0, 16)],
    ["Identifier", report.id],
  ];
  return h(
    "details",
    { open: sizes.length > 0 },
    h("summary", {}, "Sizes, model and file"),
    h("dl", {}, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
  );
}

/** One number where all three sides are alike. */
function voxelSize(spacing: number[]): string {
  return [...new Set(spacing.map((step) => step.toFixed(2)))].length === 1 ? spacing[0]!.toFixed(2) : spacing.map((step) => step.toFixed(2)).join(" × ");
}
