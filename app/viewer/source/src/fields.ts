// What is known of the volumes: gestational age, subject, and the voxel size where a file lacks it.

import { parseWeeks } from "./gestational-age";
import type { Fields } from "./api";
import { byId, h } from "./dom";
import limits from "./limits.json";

const SUBJECT = new RegExp(limits.subject);
const NUMBER = /^\d*\.?\d+$/;
const AXES = 3;

interface Field {
  element: HTMLElement;
  /** What is sent; null where what was typed cannot be. */
  read: () => string | null;
  write: (text: string) => void;
  complain: () => void;
}

export class EntryFields {
  readonly element: HTMLElement;
  private readonly fields: Record<keyof typeof NAMES, Field>;

  constructor() {
    this.fields = {
      weeks: field("weeks", "Gestational age", NAMES.weeks, readWeeks, {
        placeholder: "optional, such as 26+4",
        hint: "Weeks and days, such as 26+4, or weeks, such as 26.6.",
        wrong: `Enter ${limits.weeks.join(" to ")} weeks, such as 26+4 or 26.6, or leave this empty.`,
      }),
      subject: field("subject", "Subject", NAMES.subject, (text) => (SUBJECT.test(text) ? text : null), {
        placeholder: "optional pseudonym, such as S-017",
        hint: "A pseudonym, never a name. A subject's volumes are plotted over gestational age.",
        wrong: "Enter a pseudonym of at most 64 letters, digits, dots, hyphens and underscores, or leave this empty.",
      }),
      spacing: field("spacing", "Voxel size, mm", NAMES.spacing, readSpacing, {
        placeholder: "such as 0.4, or 0.4, 0.4, 0.5",
        hint: "Only for files that do not state it: one number, or one for each axis.",
        wrong: "Enter one number, such as 0.4, or three separated by commas, or leave this empty.",
      }),
    };
    this.fields.spacing.element.hidden = true;
    this.element = h("div", { class: "fields" }, ...Object.values(this.fields).map(({ element }) => element));
  }

  /** What is sent with a volume; null where something cannot be, which then has the focus and says why. */
  read(): Fields | null {
    const entries = Object.entries(this.fields).map(([key, { read }]) => [key as keyof typeof NAMES, read()] as const);
    const wrong = entries.filter(([, value]) => value === null).map(([key]) => key);
    for (const key of wrong.reverse()) this.fields[key].complain();
    return wrong.length ? null : Object.fromEntries(entries.map(([key, value]) => [NAMES[key], value!]));
  }

  /** Once a volume is measured: the next one may be of somebody else. */
  clear(): void {
    this.fill({ weeks: "", subject: "", spacing: "" });
    this.fields.spacing.element.hidden = true;
  }

  /** As they were said of a volume before; what is left out stays. */
  fill(texts: Partial<Record<keyof typeof NAMES, string>>): void {
    for (const [key, text] of Object.entries(texts)) this.fields[key as keyof typeof NAMES].write(text);
  }

  askForSpacing(): void {
    this.fields.spacing.element.hidden = false;
    byId("spacing").focus();
  }
}

const NAMES = { weeks: "gestational_age_weeks", subject: "subject", spacing: "spacing_mm" };

interface Words {
  placeholder: string;
  hint: string;
  wrong: string;
}

function field(id: string, label: string, name: string, parse: (text: string) => string | null, words: Words): Field {
  const input = h("input", { id, name, autocomplete: "off", spellcheck: "false", placeholder: words.placeholder, "aria-describedby": `${id}-hint` });
  const hint = h("p", { id: `${id}-hint`, class: "small" }, words.hint);
  const say = (text: string, wrong: boolean) => {
    hint.textContent = text;
    hint.classList.toggle("wrong", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  const read = () => (input.value.trim() === "" ? "" : parse(input.value.trim()));
  input.addEventListener("input", () => say(words.hint, false));
  input.addEventListener("change", () => read() === null && say(words.wrong, true));
  return {
    element: h("div", { class: "field", id: `${id}-field` }, h("label", { for: id }, label), input, hint),
    read,
    write: (text) => {
      input.value = text;
      say(words.hint, false);
    },
    complain: () => {
      say(words.wrong, true);
      input.focus();
    },
  };
}

function readWeeks(text: string): string | null {
  return parseWeeks(text)?.toString() ?? null;
}

/** Three numbers; one alone stands for all axes. */
function readSpacing(text: string): string | null {
  const steps = text.split(/[\s,;]+/);
  if (!steps.every((step) => NUMBER.test(step))) return null;
  if (steps.length === 1) return Array<string>(AXES).fill(steps[0]!).join(",");
  return steps.length === AXES ? steps.join(",") : null;
}
