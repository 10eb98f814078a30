// A problem as people read it: what happened, what was expected, what to do next.

import remedies from "./remedies.json";
import { ServiceError } from "./api";
import { announce, h } from "./dom";
import type { Problem } from "./types";
import { asSentence } from "./words";

/** Something the reader left out. */
export class Complaint extends ServiceError {
  constructor(title: string, remedy: string) {
    super({ title, detail: "", status: 0, code: "incomplete", remedy });
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
  return {
    title: "This page could not go on",
    detail: error instanceof Error ? error.message : String(error),
    status: 0,
    code: "page",
    remedy: "Reload the page; what the service measured is kept under Past measurements.",
  };
}
