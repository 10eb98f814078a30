"use strict";

const form = document.getElementById("form");
const button = form.querySelector("button");
const element = (id) => document.getElementById(id);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  show("Measuring …", []);
  try {
    const answer = await fetch("/segment", { method: "POST", body: filledFields() });
    const content = await answer.json();
    answer.ok ? showReport(content) : showProblem(content);
  } catch (error) {
    show("The service could not be reached.", []);
  } finally {
    button.disabled = false;
  }
});

function filledFields() {
  const fields = new FormData(form);
  for (const name of ["gestational_age_weeks", "subject"]) {
    if (!fields.get(name)) fields.delete(name);
  }
  return fields;
}

function showReport(report) {
  const volume = report.head_volume_ml === null ? "No volume is given" : `${report.head_volume_ml.toFixed(1)} mL`;
  show(`${volume} (${report.verdict})`, report.flags.map((flag) => `${flag.detail}: ${flag.remedy}`));
  element("preview").src = report.preview;
  element("mask").href = report.mask;
  element("report").href = `/segmentations/${report.id}`;
  element("preview").hidden = element("links").hidden = false;
}

function showProblem(problem) {
  show(problem.title, [problem.detail, problem.expected && `Expected: ${problem.expected}`, problem.remedy]);
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
