import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { isNifti, readable } from "../src/readable";

const VALUES = [0, 1, 4095];

/** A NIfTI-1 header of 352 bytes and three voxels of 64 bits. */
function nifti(type: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(352 + 24));
  view.setInt32(0, 348, true);
  view.setInt16(70, type, true);
  view.setFloat32(108, 352, true);
  VALUES.forEach((value, at) => view.setBigUint64(352 + 8 * at, BigInt(value), true));
  return new Uint8Array(view.buffer);
}

function together(...parts: Uint8Array[]): ArrayBuffer {
  return new Uint8Array(Buffer.concat(parts)).buffer;
}

test("several gzip members are one file, with or without zeros after them", () => {
  const whole = nifti(2);
  for (const zeros of [0, 1, 512]) {
    const sent = together(gzipSync(whole.subarray(0, 200)), gzipSync(whole.subarray(200)), new Uint8Array(zeros));
    assert.deepEqual(new Uint8Array(readable(sent)), whole);
  }
  assert.deepEqual(new Uint8Array(readable(whole.buffer)), whole);
});

test("64-bit integers become floats of the same value", () => {
  for (const type of [1024, 1280]) {
    const read = new DataView(readable(together(gzipSync(nifti(type)))));
    assert.equal(read.getInt16(70, true), 64);
    assert.deepEqual([0, 1, 2].map((at) => read.getFloat64(352 + 8 * at, true)), VALUES);
  }
});

test("only NIfTI is drawn; other formats are measured alone", () => {
  assert.equal(isNifti(nifti(2).buffer), true);
  const big = nifti(2);
  new DataView(big.buffer).setInt32(0, 540, false);
  assert.equal(isNifti(big.buffer), true);
  for (const text of ["NRRD0004", "ObjectType = Image", ""]) {
    assert.equal(isNifti(together(Buffer.from(text), new Uint8Array(text ? 400 : 0))), false);
  }
});
