"use strict";
(() => {
  // A row is shown where it has all that was chosen; the whole ladder is what one sees first.
  const rows = [...document.querySelectorAll("[data-filtered] tbody tr")];
  const chosen = {};
  const filter = () => {
    let count = 0;
    for (const row of rows) {
      row.hidden = Object.entries(chosen).some(([name, value]) => value !== "" && row.dataset[name] !== value);
      count += !row.hidden;
    }
    document.querySelector("[data-count]").textContent = `${count} of ${rows.length} rows`;
  };
  for (const name of ["task", "encoder", "labels"]) {
    const values = [...new Set(rows.map((row) => row.dataset[name]))];
    const select = document.createElement("select");
    select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    if (name === "labels") select.value = values.includes("whole ladder") ? "whole ladder" : "";
    chosen[name] = select.value;
    select.addEventListener("change", () => { chosen[name] = select.value; filter(); });
    const label = document.createElement("label");
    label.append(`${name} `, select);
    document.querySelector("[data-filters]").append(label);
  }
  filter();
})();
