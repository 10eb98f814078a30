// What counts of a measurement after what readers made of it; the service decides by the same rule.

import type { Report } from "./types";
import { DECISION_NAMES, day, millilitres, sentence } from "./words";

export interface Valid {
  volume: number | null;
  interval: [number, number] | null;
  sizes: Record<string, number | null> | null;
  rejected: boolean;
}

/** What the latest decision chose, else the newest edited mask, else what was measured. */
export function validOf(report: Report): Valid {
  const { decision, edit } = report.review ?? { decision: null, edit: null };
  if (decision?.decision === "reject") return { volume: null, interval: null, sizes: null, rejected: true };
  if (decision?.decision === "edit") {
    const sizes = edit?.sha256 === decision.mask_sha256 ? (edit?.findings.biometry ?? null) : null;
    return { volume: decision.head_volume_ml, interval: null, sizes, rejected: false };
  }
  const isImpossible = edit?.findings.verdict === "reject";
  if (!decision && edit) return { volume: isImpossible ? null : edit.head_volume_ml, interval: null, sizes: edit.findings.biometry, rejected: false };
  return { volume: report.head_volume_ml, interval: report.head_volume_interval_ml, sizes: report.biometry, rejected: false };
}

/** Whether the mask was replaced after the decision, which asks for a new one. */
export function isOutdated({ review }: Report): boolean {
  if (!review?.decision || !review.edit || review.edit.sha256 === review.decision.mask_sha256) return false;
  return Date.parse(review.edit.at) > Date.parse(review.decision.at);
}

/** Who decided, when and why, and what the model had measured; empty where nobody looked. */
export function reviewNotes(report: Report): string[] {
  const { decision, edit } = report.review ?? { decision: null, edit: null };
  if (!decision && !edit) return [];
  const reason = decision?.reason ? `: \u201c${decision.reason}\u201d` : "";
  const who = decision ? `${sentence(DECISION_NAMES[decision.decision])} by ${decision.by}, ${day(decision.at)}${reason}` : `Edited by ${edit!.by}, ${day(edit!.at)}; not reviewed yet`;
  const again = isOutdated(report) ? ["The mask was replaced after this decision: please decide again."] : [];
  const model = report.head_volume_ml === null ? "The model gave no volume." : `The model measured ${millilitres(report.head_volume_ml)} mL.`;
  return [`${who}.`, ...again, model];
}
