// The controls above the planes: what lies over the volume, how strongly, and which planes are shown.

import { h } from "./dom";
import type { Contrast } from "./grey-window";
import type { MapKind, View } from "./scene";

export type Layer = "outline" | "filled" | "hidden" | MapKind;

const LAYERS: [Layer, string][] = [
  ["outline", "Outline"],
  ["filled", "Filled"],
  ["probability", "Probability"],
  ["disagreement", "Disagreement"],
  ["hidden", "None"],
];
const CONTRASTS: [Contrast, string][] = [
  ["head", "Head"],
  ["soft", "Soft"],
  ["wide", "Wide"],
];
const VIEWS: [View, string][] = [
  ["all", "All"],
  ["A", "A"],
  ["B", "B"],
  ["C", "C"],
  ["3D", "3D"],
];

const MAP_TITLES: Record<MapKind, string> = { probability: "Probability of head", disagreement: "Difference between the two passes" };

export interface LayerChoice {
  layer: Layer;
  opacity: number;
  view: View;
  contrast: Contrast;
}

/** The controls; `onChange` hears the choice as it is made. */
export function layerControls(choice: LayerChoice, onChange: (choice: LayerChoice) => void): HTMLElement {
  const current = { ...choice };
  const change = (part: Partial<LayerChoice>) => onChange({ ...Object.assign(current, part) });
  const opacity = slider("opacity", "Opacity", [0, 100, 100 * choice.opacity], (percent) => change({ opacity: percent / 100 }));
  return h(
    "div",
    { class: "controls" },
    segmented("Over the volume", "layer", LAYERS, choice.layer, (layer) => {
      opacity.input.disabled = layer === "outline" || layer === "hidden";
      change({ layer });
    }),
    opacity.element,
    segmented("Contrast", "contrast", CONTRASTS, choice.contrast, (contrast) => change({ contrast })),
    segmented("Planes", "view", VIEWS, choice.view, (view) => change({ view })),
  );
}

/** A slider with its label; `range` is its least, most and first value. */
export function slider(id: string, label: string, range: [number, number, number], onInput: (value: number) => void): { element: HTMLElement; input: HTMLInputElement } {
  const [min, max, value] = range;
  const input = h("input", { type: "range", id, min, max, value, oninput: () => onInput(input.valueAsNumber) });
  return { element: h("div", { class: "slider" }, h("label", { for: id }, label), input), input };
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
  const ramp = h("span", { class: "ramp", "aria-hidden": "true" });
  ramp.style.background = `linear-gradient(to right, ${colours.map((colour) => `rgb(${colour.join(" ")})`).join(", ")})`;
  return h("p", { class: "legend" }, MAP_TITLES[kind], h("span", { class: "small" }, "0"), ramp, h("span", { class: "small" }, "1"));
}
