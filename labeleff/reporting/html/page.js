"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // Tables: a click on a column's name sorts by it. An amount with an interval sorts by its number and unit: 32 s to 5 min
  // by 32, 1,000 [900, 1,200] by 1,000. In columns of texts amounts come before texts; cells without either are the last.
  const UNITS = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86400, k: 1e3, M: 1e6, "%": 1 };
  const NUMBER = "([-−]?\\d[\\d,]*(?:\\.\\d+)?(?:[eE][-+]?\\d+)?)", UNIT = `(?:\\s*(${Object.keys(UNITS).join("|")})(?![\\p{L}\\d]))?`;
  const AMOUNT = `${NUMBER}${UNIT}(?:\\s*(?:to|–)\\s*${NUMBER}${UNIT})?`;
  const ANYWHERE = new RegExp(AMOUNT, "u"), WHOLE = new RegExp(`^[<>=≤≥~\\s]*${AMOUNT}(?:\\s*[[(].*)?$`, "u");
  const key = (cell, numeric) => {
    const text = cell ? cell.textContent.trim() : "";
    if (/^[-–—…]?$/.test(text)) return null;
    const found = text.match(numeric ? ANYWHERE : WHOLE);
    if (!found) return numeric ? null : text;
    return Number(found[1].replace(/,/g, "").replace("−", "-")) * (UNITS[found[2] ?? found[4]] ?? 1);
  };
  const compare = (a, b) => typeof a !== typeof b ? (typeof a === "number" ? -1 : 1) : a < b ? -1 : a > b ? 1 : 0;
  const sortBy = (table, column, header) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    const numeric = header.classList.contains("r");
    for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = all("tbody tr", table).map((row, index) => ({ row, index, key: key(row.cells[column], numeric) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.index - b.index;
      const order = compare(a.key, b.key);
      return (down ? -order : order) || a.index - b.index;
    });
    table.tBodies[0].append(...rows.map((item) => item.row));
  };
  for (const table of all("main table")) {
    if (!table.tBodies.length) continue;
    for (const cell of all("td", table)) cell.classList.toggle("long", cell.textContent.length > 60);
    all("thead th", table).forEach((header) => {
      if (!header.textContent.trim()) return;
      const button = make("button", { type: "button" }, ...header.childNodes);
      button.addEventListener("click", () => sortBy(table, header.cellIndex, header));
      header.append(button);
    });
  }

  // Sections: a link opens what it leads to, and paper shows all of them.
  const reveal = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const target = name && document.getElementById(name);
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => all("details").forEach((item) => { item.open = true; }));
  for (const button of all("[data-fold]")) {
    button.addEventListener("click", () => all("main > details").forEach((item) => { item.open = !!button.dataset.fold; }));
  }

  // Charts: the arms that are switched on, one mark for each of their rungs.
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const tone = (colour, night) =>  // on black every colour is mixed with white
    colour && night ? `#${colour.slice(1).match(/../g).map((two) => Math.round(0.65 * parseInt(two, 16) + 0.35 * 255).toString(16).padStart(2, "0")).join("")}` : colour;
  const ARROWS = { "at most": "↓", "at least": "↑", "lower limit": "↑" };
  const show = (value, percent) =>
    percent ? `${Number((100 * value).toPrecision(4))} %` : value.toLocaleString("en", { maximumSignificantDigits: 4 });
  const ends = (mark, percent) =>
    !mark.ranged
      ? "none"
      : `[${mark.low === null ? "…" : show(mark.low, percent)}, ${mark.high === null ? "no upper limit" : show(mark.high, percent)}]`;
  const SIGNS = { "at most": "≤ ", "at least": "≥ ", "lower limit": "> " };

  // An interval that is far longer than the values are apart is cut, and so flattens none of the others.
  const range = (marks, zero) => {
    const ys = marks.map((mark) => mark.y).concat(zero ? [0] : []);
    const top = Math.max(...ys), bottom = Math.min(...ys), span = top - bottom || Math.abs(top) || 1;
    const high = Math.max(top, ...marks.map((mark) => Math.min(mark.high ?? mark.y, top + 1.5 * span)));
    const low = Math.min(bottom, ...marks.map((mark) => Math.max(mark.low ?? mark.y, bottom - 1.5 * span)));
    const room = 0.06 * (high - low || 1);
    return [low - (low >= 0 && low - room < 0 ? low : room), high + room];
  };

  const specification = (chart, view, arms, axes) => {
    const on = new Set(arms.map((arm) => arm.name)), shapes = new Map(arms.map((arm) => [arm.name, arm.shape]));
    const zero = view.key !== "mean";
    const kept = view.marks.filter((mark) => on.has(mark.arm));
    const domain = kept.length ? range(kept, zero) : [0, 1];
    const order = arms.map((arm) => arm.name).filter((name) => kept.some((mark) => mark.arm === name));
    const ns = [...new Set(view.marks.map((mark) => mark.n))].sort((a, b) => a - b);
    const positive = ns[0] > 0;
    const ratio = positive ? ns.at(-1) / ns[0] : 1;
    const closest = Math.min(...ns.slice(1).map((n, index) => n / ns[index]), Math.max(ratio, 2));
    const step = axes.n === "log" && positive ? Math.min(closest ** (0.5 / Math.max(order.length, 1)), Math.max(ratio, 2) ** 0.012) : 1;
    const edge = Math.max(Math.max(ratio, 2) ** 0.05, step ** ((order.length + 1) / 2));  // the outermost arms, whole
    const values = kept.map((mark) => ({
      ...mark,
      at: mark.n * step ** (order.indexOf(mark.arm) - (order.length - 1) / 2),
      // An open end goes on to the end of the axis, unless an arrow says that the value itself lies there.
      from: Math.max(mark.shown === "at most" ? mark.y : mark.low ?? domain[0], domain[0]),
      to: Math.min(mark.shown === "at least" ? mark.y : mark.high ?? domain[1], domain[1]),
      arrow: ARROWS[mark.shown] ?? "",
      form: shapes.get(mark.arm),
      value: (SIGNS[mark.shown] ?? "") + show(mark.y, view.percent),
      interval: ends(mark, view.percent),
      note: [mark.shown === "point" ? "" : mark.shown, mark.doubt && `fails: ${mark.doubt}`].filter(Boolean).join("; ") || "measured",
    }));
    const ink = css("--ink"), soft = css("--soft"), line = css("--line"), paper = css("--paper");
    const colour = { field: "arm", type: "nominal", legend: null, scale: { domain: arms.map((a) => a.name), range: arms.map((a) => tone(a.colour, dark()) ?? ink) } };
    const x = {
      field: "at", type: "quantitative", title: "labels n",
      scale: axes.n === "log" && positive
        ? { type: "log", nice: false, domain: [ns[0] / edge, ns.at(-1) * edge] }
        : { type: axes.n === "log" ? "symlog" : "linear", nice: false, zero: false, domain: [ns[0] - 0.04 * (ns.at(-1) - ns[0] || 1), ns.at(-1) + 0.04 * (ns.at(-1) - ns[0] || 1)] },
      axis: { values: axes.n === "log" ? ns : undefined, format: ",", labelOverlap: "greedy", grid: true },
    };
    const scale = axes.y === "log" ? (domain[0] > 0 ? { type: "log" } : { type: "symlog", constant: Math.abs(domain[1]) > 8 ? 1 : 0.1 }) : { type: "linear" };
    const y = { field: "y", type: "quantitative", title: view.words, scale: { ...scale, domain, nice: false, zero: false }, axis: { format: view.percent ? "~%" : ",~g", labelOverlap: true, grid: true } };
    const tooltip = [["arm", "arm"], ["n", "labels n"], ["value", view.words], ["interval", "interval"], ["note", "note"]]
      .map(([field, title]) => ({ field, title, ...(field === "n" ? { format: "," } : {}) }));
    const layers = [
      { transform: [{ filter: "datum.ranged" }], mark: { type: "rule", strokeWidth: 1.4, clip: true, aria: false },
        encoding: { x, y: { ...y, field: "from" }, y2: { field: "to" }, color: colour,
          strokeDash: { condition: { test: "datum.shown === 'extrapolated'", value: [4, 3] }, value: [1, 0] } } },
      { transform: [{ filter: "datum.arrow === ''" }], mark: { type: "line", strokeWidth: 1.4, clip: true, aria: false },
        encoding: { x, y, color: colour, detail: { field: "arm" },
          strokeDash: { field: "arm", legend: null, scale: { domain: arms.map((a) => a.name), range: arms.map((a) => (a.dash.length ? a.dash : [1, 0])) } } } },
      { mark: { type: "point", size: 55, strokeWidth: 1.6, opacity: 1, clip: true, aria: false },
        encoding: { x, y, stroke: colour, tooltip,
          fill: { condition: { test: "datum.shown !== 'point'", value: paper }, field: "arm", type: "nominal", legend: null, scale: colour.scale },
          shape: { field: "form", type: "nominal", scale: null, legend: null } } },
      ...[["↑", -12], ["↓", 12]].map(([arrow, dy]) => ({ transform: [{ filter: `datum.arrow === '${arrow}'` }],
        mark: { type: "text", text: arrow, dy, fontSize: 15, fontWeight: 700, aria: false }, encoding: { x, y, color: colour } })),
      { transform: [{ filter: "datum.doubt !== ''" }], mark: { type: "point", shape: "cross", angle: 45, size: 90, stroke: ink, fill: ink, strokeWidth: 0.6, opacity: 0.8, clip: true, aria: false },
        encoding: { x, y, tooltip } },
    ];
    if (zero) layers.unshift({ data: { values: [{ zero: 0 }] }, mark: { type: "rule", stroke: soft, aria: false }, encoding: { y: { ...y, field: "zero" } } });
    const text = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: soft, tickColor: soft, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 400 };
    return {
      width: "container", height: 330, background: "transparent", autosize: { type: "fit", contains: "padding" },
      description: `${chart.title}: ${view.words} against labels, ${order.length} arms. The numbers are in the tables of this section.`,
      data: { values }, layer: layers,
      config: { axis: text, view: { stroke: null }, font: "system-ui, sans-serif" },
    };
  };

  const swatch = (arm) => {
    const draw = (tag, attributes, ...children) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.append(...children);
      return element;
    };
    const line = draw("path", { d: "M0 6H24", "stroke-width": 2, "stroke-dasharray": arm.dash.join(" ") });
    const point = draw("path", { d: arm.shape, transform: "translate(12 6) scale(4.5)" });
    line.style.stroke = point.style.fill = arm.colour ? `light-dark(${arm.colour}, ${tone(arm.colour, true)})` : "currentColor";
    return draw("svg", { width: 24, height: 12, "aria-hidden": "true" }, line, point);
  };

  const charts = JSON.parse(document.getElementById("page.charts").textContent);
  const redraws = [];
  for (const figure of all("[data-chart]")) {
    const chart = charts[figure.dataset.chart], area = figure.querySelector(".area");
    const state = { view: 0, n: "log", y: "linear", on: new Set(chart.arms.filter((arm) => arm.on).map((arm) => arm.name)) };
    let shown = null, drawing = Promise.resolve();
    const draw = () => {
      drawing = drawing.then(async () => {
        const arms = chart.arms.filter((arm) => state.on.has(arm.name));
        const spec = specification(chart, chart.views[state.view], arms, state);
        if (shown) shown.finalize();
        shown = await vegaEmbed(area, spec, { renderer: "svg", actions: false, ast: true, tooltip: { theme: dark() ? "dark" : "light" } });
        figure.dataset.drawn = String(Number(figure.dataset.drawn ?? 0) + 1);
      });
      return drawing;
    };
    const choice = (words, options, set) => {
      const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
      select.addEventListener("change", () => { set(select.value); draw(); });
      return make("label", {}, `${words} `, select);
    };
    const boxes = chart.arms.map((arm) => {
      const box = make("input", { type: "checkbox" });
      box.checked = arm.on;
      box.addEventListener("change", () => { state.on[box.checked ? "add" : "delete"](arm.name); draw(); });
      return { arm, box };
    });
    const every = (words, checked) => {
      const button = make("button", { type: "button" }, words);
      button.addEventListener("click", () => {
        for (const { arm, box } of boxes) { box.checked = checked; state.on[checked ? "add" : "delete"](arm.name); }
        draw();
      });
      return button;
    };
    figure.querySelector(".controls").append(
      choice("Show", chart.views.map((view, index) => [String(index), view.words]), (value) => { state.view = Number(value); }),
      choice("Labels", [["log", "logarithmic"], ["linear", "linear"]], (value) => { state.n = value; }),
      choice("Values", [["linear", "linear"], ["log", "logarithmic"]], (value) => { state.y = value; }),
      make("fieldset", {}, make("legend", {}, "Arms"), ...boxes.map(({ arm, box }) => make("label", {}, box, swatch(arm), arm.name)), make("div", { class: "every" }, every("All", true), every("None", false))),
    );
    const watch = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) { watch.disconnect(); redraws.push(draw); draw(); }
    }, { rootMargin: "200px" });
    watch.observe(area);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((draw) => draw()));
  reveal();
})();
