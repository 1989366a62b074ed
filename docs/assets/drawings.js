// Drawings scroll without this script. With it they zoom (buttons; + - 0 keys; Ctrl and wheel), are dragged with the
// mouse, and show what a part is connected to while the pointer or the focus is on it.
const LEAST = 0.05;
const MOST = 3;

for (const frame of document.querySelectorAll(".drawing-frame")) {
  const view = frame.querySelector(".drawing-view");
  const drawing = view.querySelector("svg");
  const width = parseFloat(drawing.style.getPropertyValue("--width"));
  let zoom = 1;

  const zoomTo = (wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) => {
    const before = zoom;
    zoom = Math.min(MOST, Math.max(LEAST, wanted));
    const left = (view.scrollLeft + x) * (zoom / before) - x;
    const top = (view.scrollTop + y) * (zoom / before) - y;
    drawing.style.setProperty("--zoom", zoom);
    view.scrollTo(left, top);
  };
  const whole = () => zoomTo(view.clientWidth / width);

  const tools = document.createElement("div");
  tools.className = "drawing-tools";
  for (const [text, label, action] of [
    ["+", "Zoom in", () => zoomTo(zoom * 1.25)],
    ["−", "Zoom out", () => zoomTo(zoom / 1.25)],
    ["1:1", "Actual size", () => zoomTo(1)],
    ["Whole", "Show the whole width", whole],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    tools.append(button);
  }
  frame.prepend(tools);

  view.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const factor = { "+": 1.25, "=": 1.25, "-": 1 / 1.25 }[event.key];
    if (factor) zoomTo(zoom * factor);
    else if (event.key === "0") zoomTo(1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoomTo(zoom * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  let grip = null;
  view.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("a")) {
      grip = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
    }
  });
  view.addEventListener("pointermove", (event) => {
    if (grip) view.scrollTo(grip.x - event.clientX, grip.y - event.clientY);
  });
  for (const name of ["pointerup", "pointerleave"]) view.addEventListener(name, () => { grip = null; });

  const edges = [...drawing.querySelectorAll(".edge")];
  const look = (event) => {
    const id = event.target.closest?.(".node")?.dataset.id;
    drawing.classList.toggle("is-focused", Boolean(id));
    for (const edge of edges) {
      edge.classList.toggle("is-near", edge.dataset.from === id || edge.dataset.to === id);
    }
  };
  const rest = () => drawing.classList.remove("is-focused");
  drawing.addEventListener("pointerover", look);
  drawing.addEventListener("focusin", look);
  drawing.addEventListener("pointerleave", rest);
  drawing.addEventListener("focusout", rest);

  // Smaller than life only as far as its text can still be read.
  if (width > view.clientWidth) zoomTo(Math.max(view.clientWidth / width, 0.6), 0, 0);
}
