// Talking to the service: the key where one is asked for, problems as values that say what to do next.

import { Complaint, ServiceError } from "./problem";
import type { Problem, Report, Unfinished } from "./types";

/** Fields of one upload; empty ones are left out. */
export type Fields = Record<string, string>;

const KEY = "fetalhead.key";
const UNAUTHENTICATED = "unauthenticated";
const SIGNED_OUT = 401;
const TOO_MANY = 429;
const LONGEST_WAIT_S = 60;
const UNREACHABLE = "No connection to the server";
const unreachable = () => new Complaint(UNREACHABLE, "Check your network, then try again. A volume that was measured meanwhile is not measured twice.", "The connection was refused or lost.");
const cancelled = () => new Complaint("Cancelled", "Press Measure to send the volume again.", "The upload was stopped; nothing was measured.");
const unreadable = () => new Complaint("The file cannot be read", "Choose it again, then press Measure.", "It was changed, moved or deleted after it was chosen.");

/** Whether an error says that no service answered. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ServiceError && error.problem.title === UNREACHABLE;
}

/** How a volume is sent: under which key, who hears of the bytes that are sent, and what ends it. */
export interface Sending {
  key: string;
  onSent: (sent: number, total: number) => void;
  signal: AbortSignal;
}

export class Api {
  /** `askForKey` asks the reader for a key; null where none is given. */
  constructor(private readonly askForKey: (wrong: boolean) => Promise<string | null>) {}

  /** The answer's JSON. */
  async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await (await this.answer(path, init)).json()) as T;
  }

  /** The answer's bytes. */
  async bytes(path: string): Promise<ArrayBuffer> {
    return (await this.answer(path)).arrayBuffer();
  }

  /** The answer, once the service was content; a ServiceError otherwise. */
  async answer(path: string, init: RequestInit = {}): Promise<Response> {
    return this.content(() =>
      fetch(below(path), { ...init, headers: { ...init.headers, ...keyHeaders() } }).catch(() => {
        throw unreachable();
      }),
    );
  }

  /** Sends a volume and gives the segmentation that was accepted, the earlier one if its key was sent before. */
  async upload(file: File, fields: Fields, sending: Sending): Promise<Unfinished | Report> {
    return (await (await this.content(() => post(file, fields, sending))).json()) as Unfinished | Report;
  }

  /** Sends as often as the service asks for a key or for patience. */
  private async content(send: () => Promise<Response>): Promise<Response> {
    for (;;) {
      const answer = await send();
      if (answer.ok) return answer;
      if (answer.status === TOO_MANY && (await waited(answer))) continue;
      const problem = await problemIn(answer);
      if (!(await this.gotKey(problem))) throw new ServiceError(problem);
    }
  }

  private async gotKey(problem: Problem): Promise<boolean> {
    if (problem.code !== UNAUTHENTICATED) return false;
    const wrong = sessionStorage.getItem(KEY) !== null;
    sessionStorage.removeItem(KEY);
    const key = await this.askForKey(wrong);
    if (key) sessionStorage.setItem(KEY, key);
    return key !== null;
  }
}

/** The service's path from this page on: a proxy may serve both below a path of its own. */
export function below(path: string): string {
  return path.slice(1);
}

/** The key is kept until the tab closes, nowhere else. */
function keyHeaders(): Record<string, string> {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Waits as long as the service asks to, where that is not too long. */
async function waited(answer: Response): Promise<boolean> {
  const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
  if (!(seconds <= LONGEST_WAIT_S)) return false;
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  return true;
}

/** By XMLHttpRequest, since fetch does not tell how much of a body was sent. */
function post(file: File, fields: Fields, { key, onSent, signal }: Sending): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) form.set(name, value);
  form.set("volume", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", below("/segment"));
    request.setRequestHeader("Prefer", "respond-async");
    request.setRequestHeader("Idempotency-Key", key);
    for (const [name, value] of Object.entries(keyHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onSent(loaded, total);
    request.upload.onload = () => onSent(file.size, file.size);
    request.onabort = () => reject(cancelled());
    signal.addEventListener("abort", () => request.abort());
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => void isReadable(file).then((readable) => reject(readable ? unreachable() : unreadable()));
    request.send(form);
  });
}

/** Whether the file is still what was chosen; browsers refuse to read it otherwise. */
async function isReadable(file: File): Promise<boolean> {
  return file.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );
}

async function problemIn(answer: Response): Promise<Problem> {
  const { status } = answer;
  const body = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  if (typeof body.title === "string") return { ...(body as Problem), status };
  // No problem document: something between this page and the service answered.
  if (status === SIGNED_OUT) {
    const remedy = "Reload this page and sign in again. Finished measurements are listed under Past measurements.";
    return { ...new Complaint("You are signed out", remedy, "The time for which you were signed in has ended.").problem, status };
  }
  const remedy = "Try again; if it happens again, tell the operator: a proxy may stand in between.";
  return { ...new Complaint("The answer cannot be read", remedy, `Its status is ${status}.`).problem, status };
}
