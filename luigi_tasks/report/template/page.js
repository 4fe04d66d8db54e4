// Draws the charts from the data in the page, and lets tables be sorted and filtered. Texts stay texts throughout.
"use strict";

const data = JSON.parse(document.getElementById("charts").textContent);
const COLOURS = ["#3b82c4", "#d9722e", "#2a9d8f", "#8a63c9", "#d1495b", "#8a8f2a", "#7d8794", "#c75a9b", "#a0673c"];
const CLEAR_TO_FULL = [[0, "rgba(59, 130, 196, 0.04)"], [1, "rgba(59, 130, 196, 1)"]];
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS = Array.from({length: 24}, (_, hour) => `${hour}`.padStart(2, "0"));
const LONGEST_LABEL = 18;
const touched = matchMedia("(pointer: coarse)").matches;

const most = rows => Math.max(1, ...rows.map(row => Math.max(...row)));
const sum = numbers => numbers.reduce((all, number) => all + number, 0);

// What Plotly takes for markup or a formula is written so that it shows as it is.
const plain = text => text.replace(/[&<>$]/g, character => `&#${character.codePointAt()};`);
const label = text => plain([...text].length > LONGEST_LABEL ? [...text].slice(0, LONGEST_LABEL - 1).join("") + "…" : text);

function layout(height, further) {
  return {
    height,
    margin: {l: 8, r: 8, t: 8, b: 8},
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {family: getComputedStyle(document.body).fontFamily, size: 12},
    dragmode: touched ? false : "zoom",
    hoverlabel: {align: "left"},
    ...further,
  };
}

const axis = further => ({automargin: true, fixedrange: true, zeroline: false, separatethousands: true, ...further});

function timeline(rows) {
  const measures = ["posts", "comments", "reactions"];
  const x = rows.map(row => row.start);
  const traces = measures.map((name, place) => ({
    type: "bar", name, x, y: rows.map(row => row[name]), marker: {color: COLOURS[place]}, showlegend: false,
    xaxis: "x", yaxis: place ? `y${place + 1}` : "y", hovertemplate: `%{x|%Y-%m-%d}: %{y:,} ${name}<extra></extra>`,
  }));
  const panel = (place, name) => axis({
    domain: [0.7 - place * 0.35, 0.97 - place * 0.35], rangemode: "tozero", nticks: 4,
    title: {text: name, standoff: 4},
  });
  return [traces, layout(520, {
    bargap: 0.1,
    xaxis: {type: "date", anchor: "y3", automargin: true, rangeslider: {thickness: 0.08}},
    yaxis: panel(0, "posts"), yaxis2: panel(1, "comments"), yaxis3: panel(2, "reactions"),
  })];
}

function reactions(counts) {
  const names = Object.keys(counts), all = sum(Object.values(counts));
  const shares = names.map(name => `${(100 * counts[name] / all).toFixed(1)} %`);
  return [[{
    type: "bar", orientation: "h", y: names, x: Object.values(counts), text: shares, textposition: "outside",
    cliponaxis: false, marker: {color: COLOURS[0]}, hovertemplate: "%{y}: %{x:,}<extra></extra>",
  }], layout(240, {
    margin: {l: 8, r: 56, t: 8, b: 8}, xaxis: axis({nticks: 6}), yaxis: axis({autorange: "reversed", type: "category"}),
  })];
}

function hours(counts) {
  return [[{
    type: "heatmap", x: HOURS, y: WEEKDAYS, z: counts, colorscale: CLEAR_TO_FULL, zmin: 0, zmax: most(counts), xgap: 1, ygap: 1,
    showscale: false, hovertemplate: "%{y}, %{x}:00: %{z:,}<extra></extra>",
  }], layout(240, {
    xaxis: axis({type: "category", tickmode: "array", tickvals: HOURS.filter((_, hour) => hour % 3 === 0), tickangle: 0,
      showgrid: false}),
    yaxis: axis({type: "category", autorange: "reversed", showgrid: false}),
  })];
}

function tags({unit, periods, tags}) {
  const length = {day: 10, week: 10, month: 7}[unit] || 4;
  const places = tags.map((_, place) => place), counts = tags.map(({posts}) => posts);
  return [[{
    type: "heatmap", x: periods.map(start => start.slice(0, length)), y: places, z: counts,
    customdata: tags.map(({tag}) => periods.map(() => plain(tag))), colorscale: CLEAR_TO_FULL, zmin: 0,
    zmax: most(counts), ygap: 2, showscale: false, hovertemplate: "%{customdata}, %{x}: %{z:,} posts<extra></extra>",
  }], layout(80 + 28 * tags.length, {
    xaxis: axis({type: "category", nticks: 12, tickangle: "auto", showgrid: false}),
    yaxis: axis({autorange: "reversed", showgrid: false, tickmode: "array", tickvals: places,
      ticktext: tags.map(({tag}) => label(tag))}),
  })];
}

function runs(rows) {
  const width = Math.min(0.8, 0.08 * rows.length);
  const stages = [...new Set(rows.flatMap(row => Object.keys(row.seconds)))];
  return [stages.map((stage, place) => ({
    type: "bar", name: stage, width, x: rows.map(row => row.run), y: rows.map(row => row.seconds[stage] || 0),
    customdata: rows.map(row => `${row.started}, ${row.outcome}`), marker: {color: COLOURS[place % COLOURS.length]},
    hovertemplate: `%{customdata}: ${stage} %{y:,.1f} s<extra></extra>`,
  })), layout(360, {
    barmode: "stack", legend: {orientation: "h", y: 1.02, yanchor: "bottom", traceorder: "normal"},
    xaxis: axis({type: "category", tickmode: "array", tickvals: rows.map(row => row.run),
      ticktext: rows.map(row => (row.outcome === "failed" ? "✗ " : "") + row.started.slice(5)), tickangle: "auto"}),
    yaxis: axis({ticksuffix: " s", rangemode: "tozero"}),
  })];
}

// Each chart: what to draw, and the rows of the same as a table, the headings first.
const CHARTS = {
  "timeline-chart": () => [timeline(data.timeline), [
    [data.unit, "posts", "comments", "reactions"],
    ...data.timeline.map(row => [row.start, row.posts, row.comments, row.reactions]),
  ]],
  "reactions-chart": () => [reactions(data.reactions), [["reaction", "number"], ...Object.entries(data.reactions)]],
  "post-hours-chart": () => [hours(data.hours.posts), byHour(data.hours.posts)],
  "comment-hours-chart": () => [hours(data.hours.comments), byHour(data.hours.comments)],
  "tags-chart": () => [tags(data.tags_over_time), [
    [data.tags_over_time.unit, ...data.tags_over_time.tags.map(({tag}) => tag)],
    ...data.tags_over_time.periods.map((start, place) => [start, ...data.tags_over_time.tags.map(({posts}) => posts[place])]),
  ]],
  "runs-chart": () => [runs(data.runs), [
    ["run", "started", "outcome", "stage", "seconds"],
    ...data.runs.flatMap(({run, started, outcome, seconds}) => (Object.keys(seconds).length ? Object.entries(seconds) : [["none", 0]])
      .map(([stage, each]) => [run, started, outcome, stage, each])),
  ]],
};

const byHour = counts => [["day", ...HOURS], ...WEEKDAYS.map((day, place) => [day, ...counts[place]])];

function asTable(details, [heads, ...rows]) {
  const place = document.createElement("div"), table = document.createElement("table");
  place.className = "scroll";
  place.tabIndex = 0;
  place.append(table);
  const head = table.createTHead().insertRow();
  for (const text of heads) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = text;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = value.toLocaleString("en");
  }
  details.append(place);
}

for (const details of document.querySelectorAll("details[data-table-of]")) {
  const name = details.dataset.tableOf, [[traces, drawn], rows] = CHARTS[name]();
  Plotly.newPlot(name, traces, drawn, {responsive: true, displayModeBar: false, doubleClick: "reset"});
  details.addEventListener("toggle", () => asTable(details, rows), {once: true});
}

// Paper is narrower than most windows.
const PAPER = 940;
const drawings = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () => drawings().forEach(each => Plotly.relayout(each, {width: PAPER})));
addEventListener("afterprint", () => drawings().forEach(each => Plotly.relayout(each, {width: null, autosize: true})));

function sortBy(table, place, button) {
  const head = button.parentElement, descending = head.ariaSort === "ascending" || !head.ariaSort && !head.className;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const value = row => row.cells[place].textContent;
  const number = row => value(row) === "–" ? -Infinity : Number(value(row).replaceAll(",", ""));
  const compare = head.className ? (a, b) => value(a).localeCompare(value(b), "en") : (a, b) => number(a) - number(b);
  const rows = [...table.tBodies[0].rows].sort((a, b) => descending ? compare(b, a) : compare(a, b));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("main > section table[id]")) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, place, button));
    head.append(button);
  });
}

for (const input of document.querySelectorAll("input[data-filters]")) {
  const rows = [...document.getElementById(input.dataset.filters).tBodies[0].rows];
  const count = document.querySelector(`[data-counts="${input.dataset.filters}"]`);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    count.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  });
}
