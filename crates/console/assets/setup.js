// The end of the set-up: the page is shown anew as soon as the agent's first call is in the log. Without a script a
// link does the same.

const waiting = document.querySelector("[data-first-call]");
if (waiting) {
  const source = new EventSource(waiting.dataset.firstCall);
  source.addEventListener("call", () => {
    source.close();
    // The page of a new token cannot be shown again: only the part that waits changes.
    const link = waiting.querySelector("a[href]");
    waiting.classList.replace("info", "ok");
    waiting.removeAttribute("data-first-call");
    const strong = document.createElement("strong");
    strong.textContent = "The agent is connected.";
    waiting.replaceChildren(strong, " Its first call is in the log. ");
    if (link) {
      link.textContent = "Look at the grant";
      waiting.append(link);
    }
  });
}
