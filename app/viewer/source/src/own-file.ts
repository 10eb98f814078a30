// Whether a file is the one that was measured.

import { ServiceError } from "./api";

/** SHA-256 of a file; null where the page is not served securely and the browser computes none. */
export async function fileHash(file: File): Promise<string | null> {
  if (!globalThis.isSecureContext) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is said where it is another file. */
export function fileProblem(): ServiceError {
  return new ServiceError({
    title: "This is another file",
    detail: "Its content is not what was measured here.",
    status: 0,
    code: "other_file",
    remedy: "Choose the file that was sent for this measurement, unchanged; or measure this one anew.",
  });
}
