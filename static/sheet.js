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

  // A click beside the sheet closes it, like Escape. Both its ends have to be there: whoever selects words in a field and
  // lets go beside the sheet, or finds the page moved under the pointer, does not want to lose what was typed.
  let began = false;
  const isBeside = (event) => event.target === sheet && event.clientX < sheet.getBoundingClientRect().left;
  sheet.addEventListener("pointerdown", (event) => {
    began = isBeside(event);
  });
  sheet.addEventListener("click", (event) => {
    if (began && isBeside(event)) {
      sheet.close();
    }
  });
  sheet.addEventListener("close", () => sheet.replaceChildren());
});
