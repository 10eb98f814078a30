// What codes and numbers are called on the page.

import type { Decision, Verdict } from "./types";

interface Words {
  title: string;
  text: string;
}

const VERDICTS: Record<Verdict, Words> = {
  ok: { title: "Every check passed", text: "Look at the outline before you use the volume." },
  review: { title: "Review needed", text: "Some checks raised concerns. Compare the outline with the image before you use the volume." },
  reject: { title: "Not measured", text: "No volume is given, because the checks below failed." },
};

const NOTED: Words = {
  title: "Measured, with a note",
  text: "No check casts doubt on the volume, but read the note below. Look at the outline before you use the volume.",
};

/** What a verdict means; a measurement that passed every check may still carry notes. */
export function verdictWords(verdict: Verdict, flags: number): Words {
  return verdict === "ok" && flags > 0 ? NOTED : VERDICTS[verdict];
}

/** The same in two words. */
export function verdictName(verdict: Verdict, flags: number): string {
  return verdict === "ok" && flags > 0 ? "with a note" : VERDICT_NAMES[verdict];
}

export const VERDICT_NAMES: Record<Verdict, string> = { ok: "OK", review: "Review", reject: "No result" };

export const DECISION_NAMES: Record<Decision, string> = { accept: "accepted", edit: "accepted as edited", reject: "rejected" };

const FLAGS: Record<string, string> = {
  no_head_found: "No head was found",
  levels_disagree: "The network's two passes disagree",
  levels_disagree_in_volume: "The volume changed between the two passes",
  uncertain_outline: "The outline is uncertain",
  many_doubts: "Too many checks failed at once",
  several_components: "More than one piece looks like a head",
  probability_elsewhere: "Something else looks like a head too",
  soft_outline: "The outline is soft",
  wide_interval: "The interval around the volume is wide",
  implausible_shape: "The shape is unusual for a head",
  unclear_anatomy: "Face and vertex were not found",
  truncated: "The head is cut off by the field of view",
  touches_edge: "The head touches the edge of the field of view",
  implausible_volume: "No fetal head is this size",
  outside_validated_range: "Outside the validated range",
  size_contradicts_age: "The size contradicts the gestational age",
  size_unusual_for_age: "The size is unusual for the gestational age",
  units_assumed: "Millimetres were assumed",
  spacing_suspicious: "The voxel size is probably a placeholder",
  spacing_supplied: "The voxel size was typed in",
  geometry_from_kretz: "The size of Kretz files was not checked on this scanner",
  lossy_compression: "The scan was compressed with a loss",
  fill_ambiguous: "The edge of the fan was guessed",
  foreign_values: "Many values are no echoes",
  dark_echoes: "Dark tissues have one grey level",
};

/** What to do at this page, where the service's own words speak of requests. */
const FLAG_REMEDIES: Record<string, string> = {
  spacing_suspicious: "Measure the volume again with its true voxel size, even if that is 1 mm; or correct the file's header",
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
  ["queued", "Waiting in line"],
  ["preprocess", "Prepare the image"],
  ["context_level_1", "Find the head, first pass"],
  ["context_level_2", "Find the head, second pass"],
  ["restore", "Draw the outline and check it"],
  ["encode", "Save the mask and the picture"],
];

/** A text that begins with a capital and ends with a full stop. */
export function asSentence(text: string): string {
  return sentence(text).replace(/([^.!?])$/, "$1.");
}

export function megabytes(bytes: number): string {
  const size = bytes / 1_000_000;
  return size < 0.1 ? size.toFixed(3) : size.toFixed(1);
}

export function millilitres(volume: number): string {
  return volume.toFixed(0);
}

/** A change in mL, with its sign. */
export function signed(ml: number, digits = 1): string {
  const size = Math.abs(ml).toFixed(digits);
  return Number(size) === 0 ? "0" : `${ml < 0 ? "\u2212" : "+"}${size}`;
}

export function day(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A text that begins with a capital. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
