// Two sides of a customer: the sentence says what will be written, the button how many fields, as the choices are made.
(() => {
  "use strict";

  const tell = (sides) => {
    const form = sides.closest("form");
    const ours = [...sides.querySelectorAll("input[value=ours]:checked")];
    const names = ours.map((input) => input.closest("[data-row]").dataset.row);
    const sentence = form.querySelector("[data-sides-sentence]");
    if (sentence) {
      const words = names.length ? sentence.dataset.some.replace("{}", names.join(", ")) : sentence.dataset.none;
      if (sentence.textContent !== words) {
        sentence.textContent = words;
      }
    }
    for (const button of form.querySelectorAll("[data-counted]")) {
      button.textContent = JSON.parse(button.dataset.counted)[names.length];
      button.disabled = "needsChoice" in button.dataset && !names.length;
    }
    for (const row of sides.querySelectorAll("[data-row]")) {
      const input = row.querySelector("input[value=ours]");
      row.querySelectorAll("input[data-limit]").forEach((field) => {
        field.closest("[id^=div_]").hidden = !input.checked;
        count(field);
      });
    }
  };

  // How long a shorter value is, beside its limit; the limit itself stands in the help text.
  const count = (field) => {
    let counter = field.parentElement.querySelector("[data-counter]");
    if (!counter) {
      counter = document.createElement("div");
      counter.dataset.counter = "";
      counter.className = "form-text";
      field.after(counter);
    }
    const length = [...field.value.trim()].length;
    counter.textContent = `${length} / ${field.dataset.limit}`;
    counter.classList.toggle("text-danger", length > Number(field.dataset.limit));
  };

  const tellAll = (within) => within.querySelectorAll("[data-sides]").forEach(tell);

  document.addEventListener("DOMContentLoaded", () => tellAll(document));
  document.addEventListener("htmx:afterSettle", (event) => tellAll(event.detail.target));
  document.addEventListener("input", (event) => {
    const sides = event.target.closest("[data-sides]");
    if (sides) {
      tell(sides);
    }
  });
})();
