// The first page: volumes are chosen, what is known of them is typed, then they are measured one after the other.

import { isUnreachable, type Api, type Fields } from "./api";
import { Chooser } from "./chooser";
import { announce, h } from "./dom";
import { EntryFields } from "./fields";
import { Complaint, ServiceError, problemBox, problemOf, remedyOf } from "./problem";
import { Progress } from "./progress";
import type { Problem, Report, Unfinished } from "./types";
import { millilitres, verdictName } from "./words";

const FIRST_POLL_MS = 250;
const LAST_POLL_MS = 2000;
const SLOWER = 1.2;
const LONGEST_OUTAGE_MS = 120_000;

/** Hears which segmentation was made of a file, and whether the reader waits for that one alone. */
export type OnMeasured = (id: string, file: File, goThere: boolean) => void;

/** What was not measured, and whether some of it lacks a voxel size. */
interface Outcome {
  left: File[];
  withoutSpacing: boolean;
}

/** Stays as it is while other pages are shown: volumes may still be on their way. */
export class MeasurePage {
  private readonly button = h("button", { type: "submit", class: "measure-button" }, "Measure");
  private readonly chooser = new Chooser((count) => this.button.classList.toggle("primary", count > 0));
  private readonly fields = new EntryFields();
  private readonly inputs = h("div", { class: "inputs" }, this.chooser.element, this.fields.element);
  private readonly work = h("div", { class: "work" });
  private readonly content: Node[];
  private busy = false;
  private asksForSpacing = false;

  constructor(
    private readonly api: Api,
    private readonly onMeasured: OnMeasured,
  ) {
    const begin = (event: Event) => (event.preventDefault(), void this.begin());
    this.content = [
      h(
        "div",
        { class: "measure-head" },
        h("h1", {}, "Measure a fetal head"),
        h("p", { class: "lead" }, "Choose a 3D ultrasound volume. You get the head's outline and its volume in millilitres."),
      ),
      h(
        "div",
        { class: "measure" },
        h("form", { class: "entry", novalidate: true, onsubmit: begin }, this.inputs, this.button, noVolume()),
        this.work,
      ),
    ];
  }

  show(main: HTMLElement): void {
    main.replaceChildren(...this.content);
    if (this.asksForSpacing) this.fields.askForSpacing();
    this.asksForSpacing = false;
  }

  /** Made ready, for when it is shown next, to measure a volume once more with the voxel size that its file lacks. */
  prepare({ gestational_age_weeks: weeks, subject }: Report, file: File | null): void {
    if (this.busy) return announce("A measurement is already under way");
    this.work.replaceChildren();
    if (file) this.chooser.leave([file]);
    this.fields.fill({ weeks: weeks === null ? "" : weeks.toString(), subject: subject ?? "" });
    this.asksForSpacing = true;
  }

  private async begin(): Promise<void> {
    if (this.busy) return announce("A measurement is already under way");
    const files = [...this.chooser.files];
    if (files.length === 0) return this.chooser.complain();
    const fields = this.fields.read();
    if (!fields) return;
    this.occupy(true);
    const { left, withoutSpacing } = files.length === 1 ? await this.one(files[0]!, fields) : await this.several(files, fields);
    this.occupy(false);
    this.chooser.leave(left);
    if (left.length === 0) this.fields.clear();
    if (withoutSpacing && this.work.isConnected) this.fields.askForSpacing();
  }

  private occupy(busy: boolean): void {
    this.busy = busy;
    this.inputs.inert = busy;
    this.button.textContent = busy ? "Measuring" : "Measure";
    this.button.setAttribute("aria-disabled", String(busy));
  }

  private async one(file: File, fields: Fields): Promise<Outcome> {
    const progress = new Progress(file.name);
    this.occupyWork(progress.element);
    try {
      const { id } = await measured(this.api, file, fields, progress, "Cancel");
      announce("Measured.");
      this.work.replaceChildren();
      this.onMeasured(id, file, this.work.isConnected);
      return { left: [], withoutSpacing: false };
    } catch (error) {
      this.occupyWork(problemBox(error));
      return { left: [file], withoutSpacing: lacksSpacing(error) };
    }
  }

  /** One that fails does not stop the rest. */
  private async several(files: File[], fields: Fields): Promise<Outcome> {
    const batch = new Batch(files);
    this.occupyWork(batch.element);
    const left: File[] = [];
    let withoutSpacing = false;
    for (const file of files) {
      if (batch.stopped) {
        left.push(file);
        continue;
      }
      try {
        const report = await measured(this.api, file, fields, batch.enter(file), "Stop", () => (batch.stopped = true));
        this.onMeasured(report.id, file, false);
        batch.done(file, report);
      } catch (error) {
        batch.failed(file, problemOf(error));
        withoutSpacing ||= lacksSpacing(error);
        left.push(file);
      }
    }
    batch.end(files.length - left.length);
    return { left, withoutSpacing };
  }

  private occupyWork(element: HTMLElement): void {
    this.work.replaceChildren(element);
    this.work.scrollIntoView({ block: "nearest" }); // on a phone it lies below the form
  }
}

function lacksSpacing(error: unknown): boolean {
  return error instanceof ServiceError && error.problem.code === "no_spacing";
}

/** For somebody who only wants to see what the page does. */
function noVolume(): HTMLElement {
  const command = h("code", {}, "fetalhead-train phantom patient --spacing 0.8");
  return h("p", { class: "small hint" }, "No volume to try? ", command, " simulates one: patient/volume.nii.gz.");
}

/** Sends a volume and waits for its report; a ServiceError where there is none. */
async function measured(api: Api, file: File, fields: Fields, progress: Progress, stop: string, onStop = () => {}): Promise<Report> {
  progress.enter("upload");
  const key = keyOf(file, fields);
  const upload = new AbortController();
  let accepted: Unfinished | Report | null = null;
  progress.offerCancel(stop, () => {
    onStop();
    if (accepted) void api.answer(`/segmentations/${accepted.id}`, { method: "DELETE" });
    else upload.abort();
  });
  accepted = await api.upload(file, fields, { key, onSent: (sent, total) => progress.sent(sent, total), signal: upload.signal });
  const report = await completed(api, accepted, progress);
  keys.delete(file);
  return report;
}

/** Keys of the volumes that were sent and have no result yet: sent again, they are not measured twice. */
const keys = new Map<File, { key: string; about: string }>();

function keyOf(file: File, fields: Fields): string {
  const about = JSON.stringify(fields);
  const known = keys.get(file);
  if (known?.about === about) return known.key;
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  keys.set(file, { key, about });
  return key;
}

async function completed(api: Api, accepted: Unfinished | Report, progress: Progress): Promise<Report> {
  let state = accepted;
  let pause = FIRST_POLL_MS;
  while (state.status === "queued" || state.status === "running") {
    progress.enter(state.status === "queued" ? "queued" : (state.stage ?? "preprocess"));
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(LAST_POLL_MS, pause * SLOWER);
    state = await patiently(() => api.json<Unfinished | Report>(`/segmentations/${accepted.id}`), progress);
  }
  if (state.status === "completed") return state;
  if (state.status === "failed" && state.problem) throw new ServiceError(state.problem);
  throw new Complaint("Cancelled", "Press Measure to measure the volume again.", "The measurement was stopped; nothing of it was kept.");
}

/** Asks again for as long as no service answers, up to a limit: the measurement goes on without this page. */
async function patiently<T>(ask: () => Promise<T>, progress: Progress): Promise<T> {
  const started = Date.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isUnreachable(error) || Date.now() - started > LONGEST_OUTAGE_MS) throw error;
      progress.say("No connection. Trying again …");
      await new Promise((resolve) => setTimeout(resolve, LAST_POLL_MS));
    }
  }
}

/** Several volumes: what became of each, and the stages of the one that is being measured. */
class Batch {
  readonly element: HTMLElement;
  stopped = false;
  private readonly title = h("h2", { id: "batch-title" });
  private readonly rows: Map<File, HTMLElement>;
  private readonly current = h("div", {});

  constructor(private readonly files: File[]) {
    this.rows = new Map(files.map((file) => [file, h("p", { class: "small" }, "waiting")]));
    this.title.textContent = `Measuring ${files.length} volumes`;
    const rows = [...this.rows].map(([file, state]) => h("li", {}, h("p", { class: "file" }, file.name), state));
    const list = h("section", { class: "batch", "aria-labelledby": "batch-title" }, this.title, h("ol", {}, ...rows));
    this.element = h("div", { class: "work" }, list, this.current);
  }

  enter(file: File): Progress {
    const progress = new Progress(file.name);
    this.say(file, "being measured");
    this.current.replaceChildren(progress.element);
    return progress;
  }

  done(file: File, report: Report): void {
    const volume = report.head_volume_ml === null ? "No volume" : `${millilitres(report.head_volume_ml)} mL`;
    const chip = h("span", { class: `chip ${report.verdict}` }, verdictName(report.verdict, report.flags.length));
    this.say(file, h("a", { href: `#/segmentation/${report.id}` }, volume), " ", chip);
  }

  failed(file: File, problem: Problem): void {
    this.say(file, h("strong", { class: "wrong" }, problem.title), `. ${remedyOf(problem)}`);
  }

  end(count: number): void {
    this.current.replaceChildren();
    for (const [, state] of this.rows) if (state.textContent === "waiting") state.textContent = "not measured";
    this.title.textContent = `${count} of ${this.files.length} volumes measured`;
    announce(this.title.textContent);
  }

  private say(file: File, ...content: (Node | string)[]): void {
    this.rows.get(file)!.replaceChildren(...content);
  }
}
