"use strict";

const form = document.getElementById("form");
const button = form.querySelector("button");
const element = (id) => document.getElementById(id);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  show("Measuring …", []);
  try {
    const answer = await fetch("segment", { method: "POST", body: filledFields() });
    const content = await answer.json();
    answer.ok ? showReport(content) : showProblem(content);
  } catch (error) {
    show("The service could not be reached.", ["Check that it runs (make serve), then send the file again."]);
  } finally {
    button.disabled = false;
  }
});

function filledFields() {
  const fields = new FormData(form);
  for (const name of ["gestational_age_weeks", "subject"]) {
    if (!fields.get(name).trim()) fields.delete(name);
  }
  if (fields.has("gestational_age_weeks")) fields.set("gestational_age_weeks", weeks(fields.get("gestational_age_weeks")));
  return fields;
}

function weeks(text) {
  const [whole, days] = text.split("+");
  return days === undefined ? whole.trim().replace(",", ".") : (Number(whole) + Number(days) / 7).toFixed(2);
}

function showReport(report) {
  const volume = report.head_volume_ml === null ? "No volume is given" : `${report.head_volume_ml.toFixed(1)} mL`;
  show(`${volume} (${report.verdict})`, report.flags.map((flag) => `${sentence(flag.detail)} ${sentence(flag.remedy)}`));
  element("preview").src = report.preview;
  element("mask").href = report.mask;
  element("report").href = `/segmentations/${report.id}`;
  element("preview").hidden = element("links").hidden = false;
}

function showProblem(problem) {
  const { title, detail, expected, got, remedy } = problem;
  show(title, [detail, expected && `expected: ${expected}`, got && `found: ${got}`, remedy].filter(Boolean).map(sentence));
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/([^.!?])$/, "$1.");
}

function show(headline, reasons) {
  element("result").hidden = false;
  element("preview").hidden = element("links").hidden = true;
  element("headline").textContent = headline;
  element("reasons").replaceChildren(...reasons.filter(Boolean).map((reason) => {
    const item = document.createElement("li");
    item.textContent = reason;
    return item;
  }));
}
