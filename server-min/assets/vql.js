// Helps to write queries: names while one types them, and what the call at the cursor takes. Everything works without it.
"use strict";

const OWN = document.currentScript.src;
const MOST = 8;
const PIECES = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_]\w*|[^]/g;

function tables(host) {
  return fetch(OWN.replace(/vql\.js.*$/, `vql/${host}`)).then((response) => response.json());
}

// The calls that are open at the end of a text, the innermost last.
function openCalls(text) {
  const calls = [];
  let name = "";
  for (const [piece] of text.matchAll(PIECES)) {
    if (piece === "(") calls.push(name);
    else if (piece === ")") calls.pop();
    if (/^\w/.test(piece)) name = piece;
    else if (!/^\s/.test(piece)) name = "";
  }
  return calls;
}

function element(kind, text, change = {}) {
  return Object.assign(document.createElement(kind), { textContent: text }, change);
}

class Helper {
  constructor(field, names) {
    this.field = field;
    this.names = names;
    this.found = [];
    this.at = 0;
    this.call = element("p", "", { className: "quiet" });
    this.list = element("ul", "", { id: `${field.id}-names`, className: "names", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Names");
    field.after(this.list, this.call);
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.list.id);
    field.addEventListener("input", () => this.look());
    field.addEventListener("keydown", (event) => this.press(event));
    field.addEventListener("blur", () => this.close());
  }

  look() {
    const before = this.field.value.slice(0, this.field.selectionStart);
    const called = openCalls(before).findLast((name) => name !== "");
    const entry = this.names.find((one) => one.name === called && one.kind !== "accessor");
    this.explain(entry);
    const word = /[A-Za-z_]\w*$/.exec(before)?.[0] ?? "";
    this.word = word;
    const fits = (name) => name.toLowerCase().startsWith(word.toLowerCase()) && name !== word;
    const own = (entry?.arguments ?? []).filter((one) => fits(one.name));
    const all = this.names.filter((one) => one.kind !== "accessor" && fits(one.name));
    const options = [
      ...own.map((one) => ({ text: `${one.name}=`, about: one.doc })),
      ...all.map((one) => ({ text: `${one.name}(`, about: one.doc })),
    ];
    this.show(word.length < 2 ? [] : options.slice(0, MOST));
  }

  explain(entry) {
    const argument = (one) => `${one.name}: ${one.type}${one.required ? "" : "?"}`;
    const takes = (entry?.arguments ?? []).map(argument).join(", ");
    this.call.textContent = entry ? `${entry.name}(${takes}) ${entry.doc ?? ""}` : "";
  }

  show(options) {
    this.found = options;
    this.at = 0;
    this.list.replaceChildren(...options.map((option, index) => {
      const line = element("li", `${option.text} `, { id: `${this.list.id}-${index}` });
      line.setAttribute("role", "option");
      line.append(element("span", option.about ?? "", { className: "quiet" }));
      // Before the field loses the focus.
      line.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.take(index);
      });
      return line;
    }));
    this.list.hidden = options.length === 0;
    this.mark(0);
  }

  mark(at) {
    this.at = at;
    [...this.list.children].forEach((line, index) => line.setAttribute("aria-selected", index === at));
    if (this.list.hidden) this.field.removeAttribute("aria-activedescendant");
    else this.field.setAttribute("aria-activedescendant", this.list.children[at].id);
  }

  take(index) {
    const end = this.field.selectionStart;
    this.field.setRangeText(this.found[index].text, end - this.word.length, end, "end");
    this.look();
  }

  close() {
    this.show([]);
  }

  press(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.field.form.requestSubmit(this.field.form.querySelector("button.main"));
    } else if (this.list.hidden) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : this.found.length - 1;
      event.preventDefault();
      this.mark((this.at + step) % this.found.length);
    } else if (event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.take(this.at);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    }
  }
}

for (const host of ["server", "agent"]) {
  const fields = [...document.querySelectorAll(`textarea[data-vql="${host}"]`)];
  if (fields.length === 0) continue;
  const names = tables(host);
  for (const field of fields) names.then((all) => new Helper(field, all)).catch(() => {});
}
