// The list of dead letters: one box chooses all others.

const every = document.getElementById("every-letter");
if (every) {
  const boxes = [...document.querySelectorAll("#letters [name=letter]")];
  every.hidden = false;
  every.addEventListener("change", () => {
    for (const box of boxes) {
      box.checked = every.checked;
    }
  });
  document.getElementById("letters").addEventListener("change", () => {
    const count = boxes.filter((box) => box.checked).length;
    every.checked = count === boxes.length;
    every.indeterminate = count > 0 && count < boxes.length;
  });
}
