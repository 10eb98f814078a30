// What the service answers, as far as this page reads it.

export type Verdict = "ok" | "review" | "reject";
export type Decision = "accept" | "edit" | "reject";

export interface Problem {
  title: string;
  detail: string;
  status: number;
  code: string;
  expected?: string;
  got?: string;
  remedy?: string;
  id?: string;
}

export interface Flag {
  code: string;
  detail: string;
  remedy: string;
}

export interface Edit {
  at: string;
  by: string;
  head_volume_ml: number;
  sha256: string;
  findings: { verdict: Verdict; flags: Flag[]; biometry: Record<string, number | null> | null };
}

export interface DecisionRecord {
  decision: Decision;
  reason: string;
  at: string;
  by: string;
  head_volume_ml: number | null;
  mask_sha256: string | null;
}

export interface Report {
  id: string;
  status: "completed";
  created_at: string;
  subject: string | null;
  gestational_age_weeks: number | null;
  verdict: Verdict;
  flags: Flag[];
  head_volume_ml: number | null;
  head_volume_interval_ml: [number, number] | null;
  biometry: Record<string, number | null> | null;
  model: { name: string; version: number; sha256: string[] };
  runtime: { provider: string; precision: string };
  timings_s: Record<string, number>;
  input: { sha256: string; shape: [number, number, number]; spacing_mm: [number, number, number] };
  mask: string;
  preview: string;
  review?: { decision: DecisionRecord | null; edit: Edit | null } | null;
}

export interface Unfinished {
  id: string;
  status: "queued" | "running" | "failed" | "cancelled";
  stage?: string;
  problem?: Problem;
}

export interface VolumeItem {
  id: string;
  created_at: string;
  subject: string | null;
  gestational_age_weeks: number | null;
  head_volume_ml: number | null;
  head_volume_interval_ml: [number, number] | null;
  verdict: Verdict;
  flags: string[];
  decision: Decision | null;
  outdated: boolean;
  valid_volume_ml: number | null;
}

/** One scan, counted once by its valid volume. */
export interface Scan {
  gestational_age_weeks: number | null;
  head_volume_ml: number;
  head_volume_interval_ml: [number, number] | null;
}

/** How far repeated scans differ; the newest pairs, and numbers that tell of all. */
export interface Repeats {
  pairs: { subject: string; mean_ml: number; difference_ml: number }[];
  count: number;
  mean_difference_ml: number | null;
  limits_of_agreement_ml: [number, number] | null;
}

export interface VolumePage {
  items: VolumeItem[];
  summary: { scans: Scan[] | null; repeats: Repeats | null };
  next: string | null;
}

export interface GrowthBand {
  points: { gestational_age_weeks: number; low_ml: number; mean_ml: number; high_ml: number }[];
  z: number;
  label: string;
  source: string;
}

export interface Readiness {
  model: { name: string; version: number };
  runtime: { provider: string; precision: string };
}
