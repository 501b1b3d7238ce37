// A button that copies a field: <button data-copy="#field" data-copied="Copied">. Where the clipboard is forbidden,
// the field is selected so that the keyboard can copy it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const field = document.querySelector(button.dataset.copy);
  field.focus();
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied;
  } catch {
    // The text stays selected.
  }
});
