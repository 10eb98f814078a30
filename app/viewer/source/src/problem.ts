// What went wrong, as a value, and as people read it: what happened, what was expected, what to do next.

import remedies from "./remedies.json";
import { announce, h } from "./dom";
import type { Problem } from "./types";
import { asSentence } from "./words";

/** The service refused, failed or did not answer. */
export class ServiceError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

/** What this page itself objects to. */
export class Complaint extends ServiceError {
  constructor(title: string, remedy: string, detail = "") {
    super({ title, detail, status: 0, code: "page", remedy });
  }
}

/** The box that shows an error of any kind. */
export function problemBox(error: unknown): HTMLElement {
  const problem = problemOf(error);
  announce(`${problem.title}. ${problem.detail} ${remedyOf(problem)}`);
  const facts: [string, string | undefined][] = [
    ["Expected", problem.expected],
    ["Found", problem.got],
    ["For the operator", problem.id],
  ];
  return h(
    "section",
    { class: "problem", role: "alert" },
    h("h2", {}, problem.title),
    problem.detail !== "" && h("p", {}, asSentence(problem.detail)),
    h("dl", {}, ...facts.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : []))),
    h("p", { class: "remedy" }, h("strong", {}, "What to do: "), remedyOf(problem)),
  );
}

/** What somebody at this page does; the service's own words are for those who write programs. */
export function remedyOf({ code, remedy }: Problem): string {
  return asSentence((remedies as Record<string, string>)[code] ?? remedy ?? "try again");
}

/** What went wrong, of whatever kind. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ServiceError) return error.problem;
  const detail = error instanceof Error ? error.message : String(error);
  return new Complaint("Something went wrong on this page", "Reload the page; finished measurements are listed under Past measurements.", detail).problem;
}
