"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  for (const one of document.querySelectorAll(".filter, .copy")) one.hidden = false;
  const cases = [...document.querySelectorAll("details.case")];

  // Only cases of one verdict.
  const buttons = [...document.querySelectorAll(".filter button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      for (const one of cases) one.hidden = button.value !== "" && one.dataset.verdict !== button.value;
    });
  }

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling;
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "selected";
      }
    });
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function bytes(count) {
    const units = ["B", "kB", "MB", "GB"];
    let unit = 0;
    while (count >= 1000 && unit < 3) { count /= 1000; unit += 1; }
    return `${Number(count.toPrecision(3))} ${units[unit]}`;
  }

  const charts = new Map();

  // Their colours are those of the moment when they were drawn.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [one, { chart, watch }] of [...charts]) {
      watch.disconnect();
      chart.destroy();
      charts.delete(one);
      delete one.querySelector("figure[data-chart]").dataset.drawn;
      draw(one);
    }
  });

  // The chart takes the place of the picture that is there without scripts.
  function draw(one) {
    const figure = one.querySelector("figure[data-chart]");
    if (!figure || figure.dataset.drawn || !one.open) return;
    figure.dataset.drawn = "yes";
    const told = JSON.parse(figure.querySelector("script").textContent);
    const place = figure.querySelector(".drawn");
    const shade = (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "alphabetic";
      for (const [name, began, ended] of told.phases) {
        const left = Math.max(u.valToPos(began, "x", true), bbox.left);
        const right = Math.min(u.valToPos(ended, "x", true), bbox.left + bbox.width);
        ctx.fillStyle = colour(`--${name}`);
        if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.fillStyle = colour("--quiet");
        if (right - left > 8 * name.length * devicePixelRatio) ctx.fillText(name, left + 4 * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
      }
      ctx.strokeStyle = colour("--quiet");
      for (const at of told.fired) {
        const x = u.valToPos(at, "x", true);
        if (x >= bbox.left && x <= bbox.left + bbox.width) ctx.strokeRect(x, bbox.top, 0, bbox.height);
      }
      ctx.restore();
    };
    const axis = () => ({ stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } });
    // As the pictures below have it, of 960: what is above each other was at one time.
    const width = () => place.clientWidth;
    const left = () => (80 / 960) * width();
    const right = () => (40 / 960) * width();
    const paths = uPlot.paths.stepped({ align: 1 });
    const chart = new uPlot({
      width: width(), height: 220, padding: [8, 0, 0, 0], cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false, range: (u, low, high) => [low, high > low ? high : Math.max(told.end, 0.001)] }, again: { range: (u, low, high) => [0, Math.max(4, high)] } },
      axes: [
        { ...axis(), values: (u, ticks) => ticks.map((tick) => `${tick} s`) },
        { ...axis(), size: left, values: (u, ticks) => ticks.map(bytes) },
        { ...axis(), scale: "again", side: 1, size: right, grid: { show: false }, values: (u, ticks) => ticks.map((tick) => Number.isInteger(tick) ? tick : "") },
      ],
      series: [
        { label: "time", value: (u, at) => at == null ? "" : `${at.toFixed(3)} s` },
        { label: "from the client", stroke: colour("--client"), width: 2, paths, points: { show: false }, value: (u, count) => count == null ? "" : bytes(count) },
        { label: "from the server", stroke: colour("--server"), width: 2, paths, points: { show: false }, value: (u, count) => count == null ? "" : bytes(count) },
        { label: "sent again", scale: "again", stroke: colour("--again"), width: 2, paths, points: { show: false }, dash: [4, 4], value: (u, count) => count == null ? "" : String(count) },
      ],
      hooks: { drawClear: [shade] },
    }, told.data, place);
    place.querySelector("svg").style.display = "none";
    const watch = new ResizeObserver(() => {
      // 0: its case was closed.
      if (width() && chart.width !== width()) chart.setSize({ width: width(), height: 220 });
    });
    watch.observe(place);
    charts.set(one, { chart, watch });
  }

  for (const one of cases) {
    one.addEventListener("toggle", () => draw(one));
    draw(one);
  }

  function open() {
    const one = location.hash && document.getElementById(location.hash.slice(1));
    if (one && one.matches("details.case")) { one.hidden = false; one.open = true; one.scrollIntoView(); }
  }
  addEventListener("hashchange", open);
  open();
})();
