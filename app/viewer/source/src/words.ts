// What codes and numbers are called on the page.

import type { Decision, Verdict } from "./types";

interface Words {
  title: string;
  text: string;
}

const VERDICTS: Record<Verdict, Words> = {
  ok: { title: "No reason for doubt", text: "Every check passed. Look at the outline once before you use the number." },
  review: { title: "Look before you use it", text: "The checks below found something. The outline decides." },
  reject: { title: "Not measured", text: "No volume is given, because the checks below failed." },
};

const NOTED: Words = {
  title: "Measured, with a note",
  text: "Nothing here makes the number doubtful, but know what is noted below. Look at the outline once before you use it.",
};

/** What a verdict means; a measurement without doubt may still carry notes. */
export function verdictWords(verdict: Verdict, flags: number): Words {
  return verdict === "ok" && flags > 0 ? NOTED : VERDICTS[verdict];
}

/** The same in two words. */
export function verdictName(verdict: Verdict, flags: number): string {
  return verdict === "ok" && flags > 0 ? "with a note" : VERDICT_NAMES[verdict];
}

export const VERDICT_NAMES: Record<Verdict, string> = { ok: "no doubt", review: "look first", reject: "not measured" };

export const DECISION_NAMES: Record<Decision, string> = { accept: "accepted", edit: "edited", reject: "rejected" };

const FLAGS: Record<string, string> = {
  no_head_found: "No head was found",
  levels_disagree: "The network's two passes disagree",
  levels_disagree_in_volume: "The volume changed between the two passes",
  uncertain_outline: "The outline is uncertain",
  many_doubts: "Too many reasons for doubt at once",
  several_components: "More than one piece looks like a head",
  probability_elsewhere: "Something else looks like a head too",
  soft_outline: "The outline is soft",
  implausible_shape: "The shape is unusual for a head",
  truncated: "The head is cut off by the field of view",
  touches_edge: "The head touches the edge of the field of view",
  implausible_volume: "No fetal head is of this size",
  outside_validated_range: "Outside the range that was validated",
  size_contradicts_age: "The size contradicts the gestational age",
  size_unusual_for_age: "The size is unusual for the gestational age",
  units_assumed: "Millimetres were assumed",
  spacing_suspicious: "The spacing is most likely a placeholder",
  spacing_supplied: "The spacing came with the request",
};

/** What to do at this page, where the service's own words speak of requests. */
const FLAG_REMEDIES: Record<string, string> = {
  spacing_suspicious: "Measure it again with its voxel size, even if that is 1 mm; or write the size into the file's header",
};

/** What to do about a flag, from its code and the service's own words. */
export function flagRemedy(code: string, remedy: string): string {
  return asSentence(FLAG_REMEDIES[code] ?? remedy);
}

/** The heading of a flag; one that this page does not know yet is spelled out from its code. */
export function flagTitle(code: string): string {
  return FLAGS[code] ?? sentence(code.replaceAll("_", " "));
}

export const STAGES: [string, string][] = [
  ["upload", "Send the volume"],
  ["decode", "Read and check the file"],
  ["queued", "Wait for a free place"],
  ["preprocess", "Bring it to the network's grid"],
  ["context_level_1", "Find the head, first pass"],
  ["context_level_2", "Find the head, second pass"],
  ["restore", "Draw the outline and check it"],
  ["encode", "Write mask and picture"],
];

/** A text that begins with a capital and ends with a full stop. */
export function asSentence(text: string): string {
  return sentence(text).replace(/([^.!?])$/, "$1.");
}

export function millilitres(volume: number): string {
  return volume.toFixed(0);
}

export function day(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
