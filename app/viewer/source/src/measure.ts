// The first page: a volume is dropped, its stages are shown while it is measured.

import type { Api, Fields } from "./api";
import { announce, byId, h } from "./dom";
import { problemBox } from "./problem";
import { ServiceError } from "./api";
import type { Problem, Report, Unfinished } from "./types";
import { STAGES } from "./words";

const FIRST_POLL_MS = 250;
const LAST_POLL_MS = 2000;
const SLOWER = 1.2;
const PATTERN = "[A-Za-z0-9._\\-]{1,64}";
const SPACING = "\\s*[0-9.]+\\s*(,\\s*[0-9.]+\\s*,\\s*[0-9.]+\\s*)?";

/** Shows the page; `onMeasured` hears which segmentation is ready, and the file it was made from. */
export function showMeasure(main: HTMLElement, api: Api, onMeasured: (id: string, file: File) => void): void {
  const work = h("div", { class: "work" });
  const form = entryForm();
  const begin = (file: File) => {
    void measure(api, file, fieldsOf(form), work).then((id) => id && onMeasured(id, file));
  };
  main.replaceChildren(
    h(
      "div",
      { class: "measure-head" },
      h("h1", {}, "Measure a fetal head"),
      h("p", { class: "lead" }, "Drop a 3D ultrasound volume. You get the head's outline and its volume in millilitres."),
    ),
    h("div", { class: "measure" }, h("div", { class: "entry" }, dropZone(form, begin), form, noVolume()), work),
  );
}

/** For somebody who only wants to see what the page does. */
function noVolume(): HTMLElement {
  const command = h("code", {}, "fetalhead-train phantom patient --spacing 0.8");
  return h("p", { class: "small hint" }, "No volume at hand? ", command, " simulates one, as patient/volume.nii.gz.");
}

function entryForm(): HTMLFormElement {
  return h(
    "form",
    { class: "fields", novalidate: true },
    h(
      "div",
      { class: "field" },
      h("label", { for: "weeks" }, "Gestational age, weeks"),
      h("input", { id: "weeks", name: "gestational_age_weeks", type: "number", min: 10, max: 42, step: 0.1, inputmode: "decimal", placeholder: "optional, such as 26.4" }),
    ),
    h(
      "div",
      { class: "field" },
      h("label", { for: "subject" }, "Subject"),
      h("input", { id: "subject", name: "subject", maxlength: 64, pattern: PATTERN, autocomplete: "off", spellcheck: "false", placeholder: "optional pseudonym, such as S-017", "aria-describedby": "subject-hint" }),
      h("p", { id: "subject-hint", class: "small" }, "A pseudonym, never a name. Volumes of one subject are drawn over gestational age."),
    ),
    h(
      "div",
      { class: "field", id: "spacing-field", hidden: true },
      h("label", { for: "spacing" }, "Voxel size, mm"),
      h("input", { id: "spacing", name: "spacing_mm", pattern: SPACING, autocomplete: "off", placeholder: "such as 0.4, or 0.4, 0.4, 0.5", "aria-describedby": "spacing-hint" }),
      h("p", { id: "spacing-hint", class: "small" }, "Only for files that do not say it themselves: one number, or one for each axis."),
    ),
  );
}

function fieldsOf(form: HTMLFormElement): Fields {
  const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
  const spacing = fields.spacing_mm ?? "";
  return { ...fields, spacing_mm: spacing && !spacing.includes(",") ? `${spacing},${spacing},${spacing}` : spacing };
}

function dropZone(form: HTMLFormElement, begin: (file: File) => void): HTMLElement {
  const chooser = h("input", { type: "file", id: "file", class: "unseen", tabindex: -1, "aria-hidden": "true" });
  const start = (files: FileList | null) => {
    const [file] = files ?? [];
    if (!file || !form.reportValidity()) return;
    begin(file);
    chooser.value = "";
  };
  chooser.addEventListener("change", () => start(chooser.files));
  const zone = h(
    "div",
    { class: "drop" },
    h("p", { class: "drop-title" }, "Drop a volume here"),
    h("p", { class: "small" }, "NIfTI, .nii or .nii.gz. The service keeps no copy of it."),
    h("button", { type: "button", class: "primary", onclick: () => chooser.click() }, "Choose a file"),
    chooser,
  );
  const over = (on: boolean) => zone.classList.toggle("over", on);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  zone.addEventListener("dragleave", () => over(false));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    start(event.dataTransfer?.files ?? null);
  });
  return zone;
}

async function measure(api: Api, file: File, fields: Fields, work: HTMLElement): Promise<string | null> {
  const progress = new Progress(file.name);
  work.replaceChildren(progress.element);
  work.scrollIntoView({ block: "nearest" }); // on a phone it lies below the form
  try {
    progress.enter("upload");
    const accepted = await api.upload(file, fields, (sent) => progress.sent(sent));
    const measured = await completed(api, accepted, progress);
    announce("Measured.");
    return measured;
  } catch (error) {
    work.replaceChildren(problemBox(error));
    work.scrollIntoView({ block: "nearest" });
    if (error instanceof ServiceError && error.problem.code === "no_spacing") askForSpacing();
    return null;
  }
}

function askForSpacing(): void {
  byId("spacing-field").hidden = false;
  byId("spacing").focus();
}

async function completed(api: Api, accepted: Unfinished | Report, progress: Progress): Promise<string> {
  let state: Unfinished | Report = accepted;
  progress.offerCancel(() => void api.answer(`/segmentations/${accepted.id}`, { method: "DELETE" }));
  let pause = FIRST_POLL_MS;
  while (state.status === "queued" || state.status === "running") {
    progress.enter(state.status === "queued" ? "queued" : (state.stage ?? "preprocess"));
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(LAST_POLL_MS, pause * SLOWER);
    state = await api.json<Unfinished | Report>(`/segmentations/${accepted.id}`);
  }
  if (state.status === "completed") return state.id;
  throw new ServiceError(state.status === "failed" && state.problem ? state.problem : CANCELLED);
}

const CANCELLED: Problem = {
  title: "Cancelled",
  detail: "The measurement was stopped before it was done; nothing of it is kept.",
  status: 0,
  code: "cancelled",
  remedy: "Drop the volume again to measure it.",
};

/** The list of stages, each waiting, under way or done. */
class Progress {
  readonly element: HTMLElement;
  private readonly items: Map<string, HTMLElement>;
  private readonly bar = h("progress", { max: STAGES.length, value: 0, "aria-label": "Progress of the measurement" });
  private readonly cancel = h("button", { type: "button", hidden: true }, "Cancel");

  constructor(name: string) {
    this.items = new Map(STAGES.map(([stage, text]) => [stage, h("li", {}, text)]));
    this.element = h(
      "section",
      { class: "progress", "aria-label": "Progress" },
      h("h2", {}, "Measuring"),
      h("p", { class: "file" }, name),
      this.bar,
      h("ol", { class: "stages" }, ...this.items.values()),
      this.cancel,
    );
  }

  /** Notes the stage that begins; those before it are done. */
  enter(stage: string): void {
    const at = STAGES.findIndex(([name]) => name === stage);
    if (at < 0 || this.bar.value === at + 0.5) return;
    STAGES.forEach(([name], index) => {
      const item = this.items.get(name)!;
      item.className = index < at ? "done" : index === at ? "now" : "";
      if (index === at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    this.bar.value = at + 0.5;
    announce(STAGES[at]![1]);
  }

  sent(fraction: number): void {
    if (fraction >= 1) this.enter("decode");
    else this.bar.value = fraction;
  }

  offerCancel(cancel: () => void): void {
    this.cancel.hidden = false;
    this.cancel.addEventListener("click", () => {
      this.cancel.disabled = true;
      cancel();
    });
  }
}
