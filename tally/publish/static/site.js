// Comforts only: every page says all without this.
"use strict";
for (const table of document.querySelectorAll("table[data-filter]")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 12) continue;
  const box = document.createElement("p");
  box.className = "filter";
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "search";
  input.id = "filter-" + Math.random().toString(36).slice(2);
  label.htmlFor = input.id;
  label.textContent = table.dataset.filter;
  box.append(label, input);
  table.parentElement.before(box);
  input.addEventListener("input", () => {
    const wanted = input.value.toLocaleLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  });
}
for (const form of document.querySelectorAll("form[data-find]")) {
  form.hidden = false;
  const input = form.querySelector("input");
  const list = form.querySelector("ul");
  let asked = false;
  const show = () => {
    const wanted = input.value.trim().toLocaleLowerCase();
    list.replaceChildren();
    if (!wanted || !window.PRECINCTS) return;
    const found = window.PRECINCTS.filter(
      ([id, name]) => id.toLocaleLowerCase().includes(wanted) || name.toLocaleLowerCase().includes(wanted));
    for (const [id, name] of found.slice(0, 12)) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = form.dataset.home + id.replaceAll(":", "~") + ".html";
      link.textContent = name + " (" + id + ")";
      item.append(link);
      list.append(item);
    }
    if (!found.length) list.append(Object.assign(document.createElement("li"), { textContent: form.dataset.none }));
  };
  input.addEventListener("input", () => {
    if (asked) return show();
    asked = true;
    const script = document.createElement("script");
    script.src = form.dataset.find;
    script.onload = show;
    document.head.append(script);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}
