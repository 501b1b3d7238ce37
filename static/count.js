// Counts while somebody types: <span data-counts="id-of-the-field" data-limit="50"><strong>72</strong> of 50 characters.</span>
document.addEventListener("input", (event) => {
  const counter = document.querySelector(`[data-counts="${event.target.id}"]`);
  if (!counter) {
    return;
  }
  const length = [...event.target.value.trim()].length;
  counter.querySelector("strong").textContent = String(length);
  counter.classList.toggle("text-danger", length > Number(counter.dataset.limit));
});
