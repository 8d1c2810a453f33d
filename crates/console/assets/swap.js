// Parts of pages that the server makes, put in place of others. HTML comes only from our own server, which escapes what others
// wrote; it is parsed through the one policy that the page allows.

const policy = globalThis.trustedTypes?.createPolicy("portcullis", { createHTML: (text) => text });

/** The elements of a piece of HTML that our server made. */
export function parse(text) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(text) : text;
  return template.content;
}

/** Asks for a part of a page; throws what the server said. */
export async function ask(address, options = {}) {
  const answer = await fetch(address, { credentials: "same-origin", redirect: "error", ...options });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.text();
}

/** Puts what is at an address in place of an element; the focus stays where it was if that is still there. */
export async function swap(element, address, options) {
  const focused = document.activeElement?.id;
  const fresh = parse(await ask(address, options));
  element.replaceChildren(fresh);
  if (focused) document.getElementById(focused)?.focus();
}
