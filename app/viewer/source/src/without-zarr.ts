// Stands in for the reader of OME-Zarr that NiiVue brings along: this service measures NIfTI only.
function unsupported(): never {
  throw new Error("OME-Zarr is not supported here. Convert the scan to NIfTI (.nii or .nii.gz).");
}

export class FetchStore {
  constructor() {
    unsupported();
  }
}
export const open = Object.assign(unsupported, { v2: unsupported, v3: unsupported });
export const get = unsupported;
export const root = unsupported;
export const slice = unsupported;
export const withConsolidated = unsupported;
export const tryWithConsolidated = unsupported;
export const registry = new Map<string, unknown>();
