// A button that copies a field or a text: <button data-copy="#field" data-copied="Copied">. Where the clipboard is
// forbidden, it is selected so that the keyboard can copy it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const field = document.querySelector(button.dataset.copy);
  if (field.select) {
    field.focus();
    field.select();
  } else {
    window.getSelection().selectAllChildren(field);
  }
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent.trim());
    button.textContent = button.dataset.copied;
  } catch {
    // The text stays selected.
  }
});
