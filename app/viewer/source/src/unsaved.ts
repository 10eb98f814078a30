// Edits that are not saved yet: nothing leaves the page or drops them without asking.

const QUESTION = "Leave without saving your edits to the mask?";
let holds: () => boolean = () => false;

/** Tells how to find out whether there are unsaved edits; null where nothing is being edited. */
export function watchUnsaved(check: (() => boolean) | null): void {
  holds = check ?? (() => false);
}

/** Whether the page may go elsewhere: nothing is unsaved, or the reader says so. */
export function mayLeave(): boolean {
  return !holds() || window.confirm(QUESTION);
}

window.addEventListener("beforeunload", (event) => {
  if (holds()) event.preventDefault();
});
