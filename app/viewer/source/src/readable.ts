// Files that the service reads and the viewer's library does not: several gzip members, 64-bit integers.

import { Gunzip } from "fflate";

const GZIP = [0x1f, 0x8b];
const NIFTI_1 = 348;
const NIFTI_2 = 540;
const INT64 = 1024;
const UINT64 = 1280;
const FLOAT64 = 64;

/** The same volume as one plain file whose voxels the viewer can draw; other files as they are. */
export function readable(content: ArrayBuffer): ArrayBuffer {
  const bytes = new Uint8Array(content);
  return asFloats(GZIP.every((value, at) => bytes[at] === value) ? unpacked(bytes) : content);
}

/** Whether a file that was made readable is NIfTI: the service measures other formats, too, but only NIfTI is drawn. */
export function isNifti(content: ArrayBuffer): boolean {
  if (content.byteLength < NIFTI_1) return false;
  const header = new DataView(content);
  return [true, false].some((little) => [NIFTI_1, NIFTI_2].includes(header.getInt32(0, little)));
}

/** Every member of a gzip file, one after the other; zeros that fill up its last block are passed over. */
function unpacked(bytes: Uint8Array): ArrayBuffer {
  const pieces: Uint8Array[] = [];
  try {
    new Gunzip((piece) => pieces.push(piece)).push(bytes, true);
  } catch (error) {
    if (pieces.length === 0) throw error; // what follows the members is no gzip: the service took it, too
  }
  return joined(pieces);
}

function joined(pieces: Uint8Array[]): ArrayBuffer {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.buffer;
}

/** 64-bit integers as floats, which hold every grey value exactly. */
function asFloats(content: ArrayBuffer): ArrayBuffer {
  if (content.byteLength < NIFTI_1) return content;
  const header = new DataView(content);
  const sizes = [NIFTI_1, NIFTI_2];
  const little = sizes.includes(header.getInt32(0, true));
  const version = sizes.indexOf(header.getInt32(0, little));
  if (version < 0) return content;
  const typeAt = version === 0 ? 70 : 12;
  const type = header.getInt16(typeAt, little);
  if (type !== INT64 && type !== UINT64) return content;
  const first = version === 0 ? header.getFloat32(108, little) : Number(header.getBigInt64(168, little));
  const copy = content.slice(0);
  const view = new DataView(copy);
  view.setInt16(typeAt, FLOAT64, little);
  for (let at = first; at + 8 <= copy.byteLength; at += 8) {
    const value = type === INT64 ? view.getBigInt64(at, little) : view.getBigUint64(at, little);
    view.setFloat64(at, Number(value), little);
  }
  return copy;
}
