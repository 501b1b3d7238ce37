// Sheets: what htmx puts into #sheet is shown as a modal dialog; the browser keeps the focus inside, closes it on Escape
// and gives the focus back.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";

  const sheet = document.getElementById("sheet");
  if (!sheet) {
    return;
  }

  let asking = null; // what opened the sheet, while its answer is under way

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
      asking = null;
      show();
    }
  });

  // What has to be read first may take seconds: say so at once. An open sheet keeps what it shows meanwhile.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target === sheet && !sheet.open) {
      asking = event.detail.elt;
      sheet.replaceChildren(document.getElementById("sheet-loading").content.cloneNode(true));
      show();
    }
  });

  // What was typed is not thrown away without asking.
  let typed = false;
  sheet.addEventListener("input", (event) => {
    typed ||= event.target.type !== "search";
  });
  const mayClose = () => !typed || window.confirm(sheet.dataset.discard);
  sheet.addEventListener("cancel", (event) => {
    if (!mayClose()) {
      event.preventDefault();
    }
  });

  // No answer, or one that is no sheet (logged out, no right, gone): say so where it was expected. A form that was sent
  // keeps what was typed into it.
  const fail = (event) => {
    if (event.detail.target !== sheet) {
      return;
    }
    const form = event.detail.elt.closest("#sheet form[method=post]");
    if (form) {
      form.parentElement.querySelector("[data-unsent]")?.remove();
      form.before(document.getElementById("sheet-unsent").content.cloneNode(true));
      sheet.scrollTop = 0;
      return;
    }
    sheet.replaceChildren(document.getElementById("sheet-failure").content.cloneNode(true));
    show();
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
    if (began && isBeside(event) && mayClose()) {
      sheet.close();
    }
  });
  sheet.addEventListener("close", () => {
    typed = false;
    if (asking) {
      window.htmx.trigger(asking, "htmx:abort");
      asking = null;
    }
    sheet.replaceChildren();
  });
});
