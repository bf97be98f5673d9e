"use strict";
(() => {
  const STEPS = 50;
  const words = [...document.querySelectorAll(".word")];
  const crops = [...document.querySelectorAll(".crop")];
  const images = [...document.querySelectorAll("[data-image]")];
  const radios = [...document.querySelectorAll("input[name=layers]")];
  const readout = document.getElementById("readout");
  const bars = [...document.querySelectorAll("#bars tr")];
  if (!readout) return;

  const shares = new Map(words.map((word) => [word, JSON.parse(word.dataset.shares)]));
  const group = () => Number((radios.find((radio) => radio.checked) || { value: 0 }).value);
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const step = (share, top) => (top > 0 ? Math.round((STEPS * share) / top) : 0);
  const nameOf = (crop) => crop.querySelector(".name").textContent;
  const number = (element) => Number(element.dataset.image);
  let pinned = null;

  function clear() {
    document.body.classList.remove("lit");
    for (const element of [...words, ...images]) {
      delete element.dataset.heat;
      element.classList.remove("active");
    }
    for (const row of bars) {
      row.querySelector(".bar").dataset.fill = 0;
      row.querySelector(".number").textContent = "";
    }
    readout.textContent = "Nothing is selected.";
  }

  function showWord(word) {
    const attention = shares.get(word)[group()];
    const top = Math.max(...attention.slice(0, -1));
    word.classList.add("active");
    for (const element of images) element.dataset.heat = step(attention[number(element)], top);
    bars.forEach((row, i) => {
      row.querySelector(".bar").dataset.fill = step(attention[i], 1);
      row.querySelector(".number").textContent = percent(attention[i]);
    });
    const onImages = crops.map((crop, i) => `${nameOf(crop)} ${percent(attention[i])}`);
    readout.textContent = `Attention of “${word.textContent}”: ${onImages.join(", ")}, text ${percent(attention[attention.length - 1])}.`;
  }

  function showImage(element) {
    const index = number(element);
    const on = words.map((word) => shares.get(word)[group()][index]);
    const top = Math.max(...on);
    for (const other of images) if (number(other) === index) other.classList.add("active");
    words.forEach((word, i) => { word.dataset.heat = step(on[i], top); });
    const best = words.map((word, i) => [on[i], word.textContent]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const strongest = best.map(([share, text]) => `“${text}” ${percent(share)}`);
    readout.textContent = `${nameOf(crops[index])} gets the most attention from ${strongest.join(", ")}.`;
  }

  function light(element) {
    clear();
    if (!element) return;
    document.body.classList.add("lit");
    if (shares.has(element)) showWord(element);
    else showImage(element);
  }

  function pin(element) {
    pinned = pinned === element ? null : element;
    for (const other of [...words, ...crops]) other.setAttribute("aria-pressed", String(other === pinned));
    light(element);
  }

  for (const element of [...words, ...images]) {
    element.addEventListener("pointerenter", () => light(element));
    element.addEventListener("pointerleave", (event) => {
      const outer = event.relatedTarget && event.relatedTarget.closest ? event.relatedTarget.closest("[data-image]") : null;
      light(outer || pinned);
    });
    element.addEventListener("focus", () => light(element));
    element.addEventListener("blur", () => light(pinned));
  }
  for (const element of [...words, ...crops]) element.addEventListener("click", () => pin(element));
  for (const radio of radios) radio.addEventListener("change", () => light(pinned));

  function roving(items) {
    const move = (event, to) => {
      event.preventDefault();
      for (const item of items) item.tabIndex = item === items[to] ? 0 : -1;
      items[to].focus();
    };
    items.forEach((item, i) => {
      item.addEventListener("keydown", (event) => {
        if (event.key === "ArrowRight" || event.key === "ArrowDown") move(event, (i + 1) % items.length);
        else if (event.key === "ArrowLeft" || event.key === "ArrowUp") move(event, (i + items.length - 1) % items.length);
        else if (event.key === "Home") move(event, 0);
        else if (event.key === "End") move(event, items.length - 1);
        else if (event.key === "Escape" && pinned) pin(pinned);
      });
    });
  }
  roving(words);
  roving(crops);
})();
