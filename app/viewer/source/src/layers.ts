// The controls above the planes: what lies over the volume, how strongly, and which planes are shown.

import { h } from "./dom";
import type { Map as MapKind, View } from "./scene";

export type Layer = "outline" | "filled" | "hidden" | MapKind;

const LAYERS: [Layer, string][] = [
  ["outline", "Outline"],
  ["filled", "Filled"],
  ["probability", "Probability"],
  ["disagreement", "Disagreement"],
  ["hidden", "None"],
];
const VIEWS: [View, string][] = [
  ["all", "All"],
  ["A", "A"],
  ["B", "B"],
  ["C", "C"],
  ["3D", "3D"],
];

export const MAP_MEANINGS: Record<MapKind, [title: string, low: string, high: string]> = {
  probability: ["Probability of head", "0", "1"],
  disagreement: ["Difference between the two passes", "0", "1"],
};

export interface LayerChoice {
  layer: Layer;
  opacity: number;
  view: View;
}

/** The controls; `onChange` hears the choice as it is made. */
export function layerControls(choice: LayerChoice, onChange: (choice: LayerChoice) => void): HTMLElement {
  const current = { ...choice };
  const tell = () => onChange({ ...current });
  const opacity = h("input", { type: "range", id: "opacity", min: 0, max: 100, value: 100 * choice.opacity });
  opacity.addEventListener("input", () => {
    current.opacity = opacity.valueAsNumber / 100;
    tell();
  });
  return h(
    "div",
    { class: "controls" },
    segmented("Over the volume", "layer", LAYERS, choice.layer, (layer) => {
      current.layer = layer;
      opacity.disabled = layer === "outline" || layer === "hidden";
      tell();
    }),
    h("div", { class: "slider" }, h("label", { for: "opacity" }, "Opacity"), opacity),
    segmented("Planes", "view", VIEWS, choice.view, (view) => {
      current.view = view;
      tell();
    }),
  );
}

/** A row of choices of which one is taken; radio buttons, so that keys and screen readers know their way. */
export function segmented<T extends string>(
  title: string,
  name: string,
  choices: [T, string][],
  chosen: T | null,
  onChange: (choice: T) => void,
): HTMLElement {
  return h(
    "fieldset",
    { class: "segmented" },
    h("legend", {}, title),
    ...choices.map(([value, text]) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onChange(value) }),
        h("span", {}, text),
      ),
    ),
  );
}

/** What a map's colours mean. */
export function legend(kind: MapKind, colours: [number, number, number][]): HTMLElement {
  const [title, low, high] = MAP_MEANINGS[kind];
  const ramp = h("span", { class: "ramp", "aria-hidden": "true" });
  ramp.style.background = `linear-gradient(to right, ${colours.map((colour) => `rgb(${colour.join(" ")})`).join(", ")})`;
  return h("p", { class: "legend" }, title, h("span", { class: "small" }, low), ramp, h("span", { class: "small" }, high));
}
