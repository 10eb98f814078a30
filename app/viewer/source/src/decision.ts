// What the reader decides, with a reason; the latest decision counts and all are kept.

import type { Api } from "./api";
import { announce, h } from "./dom";
import { segmented } from "./controls";
import { Complaint, problemBox } from "./problem";
import type { Decision, DecisionRecord, Edit, Report } from "./types";
import { DECISION_NAMES, day, millilitres, sentence } from "./words";

const CHOICES: [Decision, string][] = [
  ["accept", "Accept"],
  ["edit", "Accept edited"],
  ["reject", "Reject"],
];

export class DecisionPanel {
  readonly element = h("section", { class: "decision", "aria-labelledby": "decision-title" });
  private readonly recorded = h("p", { class: "recorded" });
  private readonly problem = h("div", {});
  private readonly reason = h("textarea", { id: "reason", rows: 2, maxlength: 500, placeholder: "Required for an edit or a rejection. Do not enter names." });
  private chosen: Decision | null = null;
  private edit: Edit | null;

  constructor(
    private readonly api: Api,
    private readonly report: Report,
    private readonly onDecided: (made: DecisionRecord) => void,
  ) {
    this.edit = report.review?.edit ?? null;
    this.element.append(
      h("h2", { id: "decision-title" }, "Your decision"),
      this.recorded,
      h(
        "form",
        { class: "decide", onsubmit: (event) => (event.preventDefault(), void this.record()) },
        segmented("The outline", "decision", CHOICES, null, (choice) => (this.chosen = choice)),
        h("div", { class: "field" }, h("label", { for: "reason" }, "Reason"), this.reason),
        h("button", { type: "submit" }, "Record the decision"),
      ),
      this.problem,
    );
    this.show(report.review?.decision ?? null);
  }

  /** A mask was saved: what is left is to say why. */
  saved(edit: Edit): void {
    this.edit = edit;
    this.element.querySelector<HTMLInputElement>('input[value="edit"]')!.click();
    this.reason.focus();
    announce(`The mask was saved: ${millilitres(edit.head_volume_ml)} millilitres. Give a reason and record your decision.`);
  }

  private async record(): Promise<void> {
    if (!this.chosen) return this.complain("Nothing is chosen", "Choose accept, accept edited or reject.");
    if (this.chosen === "edit" && !this.edit) return this.complain("No edited mask was saved", "Press Edit the mask above the planes, draw, and save; or accept or reject the outline.");
    const reason = this.reason.value.trim();
    if (this.chosen !== "accept" && !reason) return this.complain("A reason is missing", "Give it in a few words.");
    const body = JSON.stringify({ decision: this.chosen, reason });
    try {
      const headers = { "Content-Type": "application/json" };
      const made = await this.api.json<DecisionRecord>(`/segmentations/${this.report.id}/decision`, { method: "POST", body, headers });
      this.problem.replaceChildren();
      this.reason.value = "";
      this.show(made);
      this.onDecided(made);
      announce(`Recorded: ${DECISION_NAMES[made.decision]}`);
    } catch (error) {
      this.problem.replaceChildren(problemBox(error));
    }
  }

  private complain(title: string, remedy: string): void {
    this.problem.replaceChildren(problemBox(new Complaint(title, remedy)));
  }

  private show(made: DecisionRecord | null): void {
    if (!made) return this.recorded.replaceChildren("Not reviewed yet.");
    const volume = made.head_volume_ml === null ? "" : `, ${millilitres(made.head_volume_ml)} mL`;
    this.recorded.replaceChildren(
      h("strong", {}, `${sentence(DECISION_NAMES[made.decision])}${volume}`),
      h("br"),
      h("span", { class: "small" }, `${day(made.at)}, by ${made.by}`),
      ...(made.reason ? [h("br"), h("span", {}, `“${made.reason}”`)] : []),
    );
  }
}
