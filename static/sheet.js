// Sheets: what htmx puts into #sheet is shown as a modal dialog; the browser keeps the focus inside, closes it on Escape
// and gives the focus back.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";

  const sheet = document.getElementById("sheet");
  if (!sheet) {
    return;
  }

  const show = () => {
    if (!sheet.open) {
      sheet.showModal();
    }
    const wrong = sheet.querySelector("[aria-invalid=true], .is-invalid");
    const first = wrong || sheet.querySelector("[autofocus]") || document.getElementById("sheet-heading");
    first?.focus();
    sheet.scrollTop = wrong ? sheet.scrollTop : 0;
  };

  // Not before htmx has settled: until then elements with an id still carry the attributes of their forerunners.
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target === sheet) {
      show();
    }
  });

  // No answer, or one that is no sheet (logged out, no right, gone): say so where it was expected.
  const fail = (event) => {
    if (event.detail.target === sheet) {
      sheet.replaceChildren(document.getElementById("sheet-failure").content.cloneNode(true));
      show();
    }
  };
  document.body.addEventListener("htmx:responseError", fail);
  document.body.addEventListener("htmx:sendError", fail);

  // A click beside the sheet closes it, like Escape.
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) {
      sheet.close();
    }
  });
  sheet.addEventListener("close", () => sheet.replaceChildren());
});
