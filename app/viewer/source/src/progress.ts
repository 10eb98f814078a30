// The stages of one measurement, while it is made.

import { announce, h } from "./dom";
import { STAGES, megabytes } from "./words";

/** The list of stages, each waiting, under way or done. */
export class Progress {
  readonly element: HTMLElement;
  private readonly items: Map<string, HTMLElement>;
  private readonly bar = h("progress", { max: STAGES.length, value: 0, "aria-label": "Progress of the measurement" });
  private readonly note = h("p", { class: "small hint" });
  private readonly cancel = h("button", { type: "button", hidden: true });

  constructor(name: string) {
    this.items = new Map(STAGES.map(([stage, text]) => [stage, h("li", {}, text)]));
    this.element = h(
      "section",
      { class: "progress", "aria-label": "Progress" },
      h("h2", {}, "Measuring"),
      h("p", { class: "file" }, name),
      this.bar,
      this.note,
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
    this.say("");
    announce(STAGES[at]![1]);
  }

  sent(bytes: number, total: number): void {
    if (bytes >= total) return this.enter("decode");
    this.bar.value = bytes / total;
    this.say(`${megabytes(bytes)} of ${megabytes(total)} MB sent (${Math.floor((100 * bytes) / total)} %)`);
  }

  /** Tells something about the stage that is under way. */
  say(text: string): void {
    this.note.textContent = text;
  }

  offerCancel(text: string, cancel: () => void): void {
    this.cancel.textContent = text;
    this.cancel.hidden = false;
    this.cancel.addEventListener("click", () => {
      this.cancel.disabled = true;
      cancel();
    });
  }
}
