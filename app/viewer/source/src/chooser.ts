// The volumes that will be measured: dropped or chosen, listed, and taken back.

import { announce, h } from "./dom";
import { megabytes } from "./words";

export class Chooser {
  readonly element: HTMLElement;
  private chosen: File[] = [];
  /** Whether all of them were tried: what is chosen next takes their place. */
  private tried = false;
  private readonly input = h("input", { type: "file", id: "file", multiple: true, class: "unseen", tabindex: -1, "aria-hidden": "true" });
  private readonly button = h("button", { type: "button", onclick: () => this.input.click() });
  private readonly title = h("p", { class: "drop-title" });
  private readonly list = h("ul", { class: "chosen" });
  private readonly complaint = h("p", { class: "wrong", role: "alert" });

  /** `onChange` hears how many volumes are chosen. */
  constructor(private readonly onChange: (count: number) => void) {
    this.input.addEventListener("change", () => {
      this.add([...(this.input.files ?? [])]);
      this.input.value = ""; // or choosing the same file again would go unnoticed
    });
    const about = h("p", { class: "small" }, "Scans of one subject: NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha), DICOM Enhanced US Volume, Kretz (.vol). Images are not stored.");
    this.element = h("div", { class: "drop" }, this.title, this.list, about, this.button, this.complaint, this.input);
    this.acceptDrops();
    this.show();
  }

  get files(): readonly File[] {
    return this.chosen;
  }

  /** Leaves these, which were tried and not measured. */
  leave(files: File[]): void {
    this.tried = files.length > 0;
    this.set(files);
  }

  /** Says that nothing is chosen yet. */
  complain(): void {
    this.complaint.textContent = "Choose a volume first.";
    this.button.focus();
  }

  private add(files: File[]): void {
    if (files.length === 0) return;
    const before = this.tried ? [] : this.chosen;
    const fresh = files.filter((file) => !before.some((other) => isSame(file, other)));
    this.tried = false;
    this.set([...before, ...fresh]);
    if (fresh.length) announce(`Chosen: ${fresh.map((file) => file.name).join(", ")}`);
  }

  private remove(file: File): void {
    this.set(this.chosen.filter((other) => other !== file));
    this.button.focus();
    announce(`Removed: ${file.name}`);
  }

  private set(files: File[]): void {
    this.chosen = files;
    this.show();
  }

  private show(): void {
    const count = this.chosen.length;
    this.complaint.textContent = "";
    this.title.textContent = count === 0 ? "Drop volumes here" : count === 1 ? "One volume" : `${count} volumes`;
    this.button.textContent = count === 0 ? "Choose files" : this.tried ? "Choose other files" : "Add more";
    this.button.classList.toggle("primary", count === 0);
    this.list.replaceChildren(...this.chosen.map((file) => this.row(file)));
    this.onChange(count);
  }

  private row(file: File): HTMLElement {
    const remove = h("button", { type: "button", class: "quiet", "aria-label": `Remove ${file.name}`, onclick: () => this.remove(file) }, "Remove");
    return h("li", {}, h("span", { class: "file" }, file.name), h("span", { class: "small" }, `${megabytes(file.size)} MB`), remove);
  }

  private acceptDrops(): void {
    const over = (on: boolean) => this.element.classList.toggle("over", on);
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    this.element.addEventListener("dragleave", () => over(false));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.add([...(event.dataTransfer?.files ?? [])]);
    });
  }
}

function isSame(one: File, other: File): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
