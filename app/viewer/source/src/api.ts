// Talking to the service: the key where one is asked for, problems as values that say what to do next.

import type { Problem, Report, Unfinished } from "./types";

/** The service refused, failed or did not answer. */
export class ServiceError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

/** Fields of one upload; empty ones are left out. */
export type Fields = Record<string, string>;

/** Asks the reader for a key; null where none is given. */
export type AskForKey = (reason: string) => Promise<string | null>;

const KEY = "fetalhead.key";
const TOO_MANY = 429;
const LONGEST_WAIT_S = 60;
const UNREACHABLE: Problem = {
  title: "The service does not answer",
  detail: "The connection was refused or lost.",
  status: 0,
  code: "unreachable",
  remedy: "Check that the service runs (make serve) and that you are connected, then try again.",
};

const UNREADABLE: Problem = {
  title: "The file cannot be read",
  detail: "It was changed, moved or removed after it was chosen.",
  status: 0,
  code: "unreadable_file",
  remedy: "Choose it again, then press Measure.",
};

export class Api {
  constructor(private readonly askForKey: AskForKey) {}

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
    const send = () => fetch(path, { ...init, headers: { ...init.headers, ...keyHeaders() } });
    for (;;) {
      const answer = await send().catch(() => {
        throw new ServiceError(UNREACHABLE);
      });
      if (answer.ok) return answer;
      if (answer.status === TOO_MANY && (await waited(answer))) continue;
      const problem = await problemOf(answer.status, () => answer.json());
      if (!(await this.mended(problem))) throw new ServiceError(problem);
    }
  }

  /** Sends a volume and gives the segmentation that was accepted; `onSent` hears the fraction that was sent. */
  async upload(file: File, fields: Fields, onSent: (fraction: number) => void): Promise<Unfinished | Report> {
    for (;;) {
      const { status, body } = await post(file, fields, onSent);
      if (status >= 200 && status < 300) return JSON.parse(body) as Unfinished | Report;
      const problem = await problemOf(status, () => JSON.parse(body) as unknown);
      if (!(await this.mended(problem))) throw new ServiceError(problem);
    }
  }

  private async mended(problem: Problem): Promise<boolean> {
    if (problem.status !== 401) return false;
    sessionStorage.removeItem(KEY);
    const key = await this.askForKey([problem.detail, problem.remedy].filter(Boolean).join(" "));
    if (key) sessionStorage.setItem(KEY, key);
    return key !== null;
  }
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
function post(file: File, fields: Fields, onSent: (fraction: number) => void): Promise<{ status: number; body: string }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) form.set(name, value);
  form.set("volume", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/segment");
    request.setRequestHeader("Prefer", "respond-async");
    for (const [name, value] of Object.entries(keyHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onSent(event.lengthComputable ? event.loaded / event.total : 0);
    request.upload.onload = () => onSent(1);
    request.onload = () => resolve({ status: request.status, body: request.responseText });
    request.onerror = () => void isReadable(file).then((readable) => reject(new ServiceError(readable ? UNREACHABLE : UNREADABLE)));
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

async function problemOf(status: number, content: () => unknown): Promise<Problem> {
  try {
    const body = (await content()) as Problem;
    if (typeof body.title === "string") return { ...body, status };
  } catch {
    // No problem document: what stands between this page and the service answered.
  }
  return {
    title: "The service could not be understood",
    detail: `It answered with status ${status}.`,
    status,
    code: "unknown",
    remedy: "Try again; if it stays, ask the operator whether a proxy stands in between.",
  };
}
