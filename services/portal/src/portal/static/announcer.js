// Says aloud what is new: one polite live region in the page's own tree, where browsers report it reliably.

let region = null;

/** @param {string} text */
export function announce(text) {
  region ??= document.getElementById("announcer") ?? made();
  region.textContent = text;
}

function made() {
  const element = document.createElement("div");
  element.id = "comeback-announcer";
  element.setAttribute("role", "status");
  Object.assign(element.style, { position: "absolute", inlineSize: "1px", blockSize: "1px", overflow: "hidden", clipPath: "inset(50%)", whiteSpace: "nowrap" });
  document.body.append(element);
  return element;
}
