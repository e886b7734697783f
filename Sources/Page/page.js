"use strict";

// Draws the page from a state (docs/page.md): from the one inside the document, or else from state.json, again each second. Text from
// outside, such as names of files, gets into the document as text alone: nothing here reads markup.

const SECOND = 1000;
// How long a chart over time stays as it is where nothing new has come.
const CHART_STEP_SECONDS = 10;
const PATIENCE = 15 * SECOND;

const find = (id) => document.getElementById(id);

// MARK: Elements

function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function drawing(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function setText(id, text) {
  const node = find(id);
  if (node.textContent !== text) node.textContent = text;
}

// What a container was last built from, so that nothing moves that has not changed.
const built = new Map();

// Builds the content of a container from what it shows. What has the focus, or was opened, is found again by its data-key.
function show(id, facts, build) {
  const text = JSON.stringify(facts);
  if (built.get(id) === text) return;
  built.set(id, text);
  const container = find(id);
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...container.querySelectorAll("details[open]")].map((node) => node.dataset.key));
  container.replaceChildren(...[build()].flat().filter((node) => node !== null));
  for (const node of container.querySelectorAll("details")) node.open = open.has(node.dataset.key);
  if (focused !== undefined) {
    const again = [...container.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused);
    if (again !== undefined) again.focus({ preventScroll: true });
  }
}

// MARK: Words

function number(value, digits = 0) {
  if (typeof value !== "number") return value === undefined || value === null ? "–" : String(value);
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

const counted = (count, one, several = one + "s") => `${number(count)} ${count === 1 ? one : several}`;

function length(seconds) {
  if (seconds < 100) return `${number(seconds)} s`;
  if (seconds < 100 * 60) return `${number(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${number(seconds / 3600)} h` : `${number(seconds / 86400)} days`;
}

function size(bytes) {
  return bytes < 1 << 30 ? `${number(bytes / (1 << 20))} MiB` : `${number(bytes / (1 << 30), 1)} GiB`;
}

const moment = (seconds) => new Date(seconds * SECOND).toLocaleString();

// The heading of a rank's part; where there is one rank alone, it goes without saying.
const rankHeading = (rank, all) => (all.length > 1 ? element("h3", {}, `Rank ${rank}`) : null);

// Text from outside: it neither turns the direction of what is around it, nor is it taken for part of a sentence.
const outside = (text) => element("bdi", {}, text);

function facts(pairs) {
  return pairs
    .filter(([, value]) => value !== null)
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

// A table; columns are [title, whether it has numbers].
function table(caption, columns, rows) {
  const cell = (name, value, isNumber, attributes = {}) =>
    element(name, isNumber ? { class: "number", ...attributes } : attributes, value);
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, columns.map(([title, isNumber]) => cell("th", title, isNumber, { scope: "col" })))),
    element(
      "tbody",
      {},
      rows.map((row) => element("tr", {}, row.map((value, index) => cell("td", value, columns[index][1])))),
    ),
  );
}

// The numbers of a chart for whoever would rather read them.
function numbers(key, caption, columns, rows) {
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table(caption, columns, rows));
  return element("details", { "data-key": key }, element("summary", {}, "Numbers"), scroll);
}

// MARK: Charts

const WIDTH = 480;
const HEIGHT = 170;
const LEFT = 40;
const BOTTOM = 20;
const TOP = 10;

// The least round number that is not below a value.
function roundedUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

function frame(summary, most, unit, labels) {
  const height = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
  const axes = [0, most / 2, most].map((value) => [
    drawing("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: height(value), y2: height(value) }),
    drawing("text", { x: LEFT - 5, y: height(value) + 4, "text-anchor": "end" }, number(value, most < 4 ? 1 : 0) + unit),
  ]);
  const below = labels.map(([x, text, anchor]) => drawing("text", { x, y: HEIGHT - 5, "text-anchor": anchor }, text));
  const image = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary }, axes.flat(), below);
  return { image, height };
}

// A chart over time. Each series is {name, points: [[seconds, value]]}; `steps` keeps a value until the next.
function timeChart({ key, title, unit, most, series, from, to, steps = false, columns, rows }) {
  const kinds = ["first", "second"];
  const latest = series.map(({ name, points }) => `${name} ${number(points.at(-1)?.[1], 1)}${unit}`).join(", ");
  const span = Math.max(to - from, 1);
  const { image, height } = frame(`${title}, the last ${length(span)}. Now: ${latest}.`, most, unit, [
    [LEFT, `${length(span)} ago`, "start"],
    [WIDTH, "now", "end"],
  ]);
  series.forEach(({ points }, index) => {
    const place = (seconds) => LEFT + (Math.max(0, seconds - from) / span) * (WIDTH - LEFT);
    let path = "";
    points.forEach(([seconds, value], position) => {
      const x = place(seconds).toFixed(1);
      const y = height(Math.min(value, most)).toFixed(1);
      path += position === 0 ? `M${x},${y}` : steps ? `H${x}V${y}` : `L${x},${y}`;
    });
    if (points.length === 1 || (steps && points.length > 0)) path += `H${WIDTH}`;
    image.append(drawing("g", { class: kinds[index] }, drawing("path", { class: "line", d: path || "M0,0" })));
  });
  const legend = element("div", { class: "legend" }, series.map(({ name }, index) => element("span", { class: kinds[index] }, name)));
  return element("figure", {}, element("figcaption", {}, title), legend, image, numbers(key, title, columns, rows));
}

// Bars from one number of hundredths to another.
function histogram({ key, title, bins, total }) {
  const first = bins[0].hundredths;
  const count = bins.at(-1).hundredths - first + 1;
  const most = roundedUp(Math.max(...bins.map((bin) => bin.count)));
  const width = (WIDTH - LEFT) / count;
  const value = (hundredths) => (hundredths / 100).toFixed(2);
  const summary = `${title}: ${counted(total, "draw")} from ${value(first)} to ${value(first + count)}.`;
  const { image, height } = frame(summary, most, "", [
    [LEFT, value(first), "start"],
    [WIDTH, value(first + count), "end"],
  ]);
  const bars = bins.map((bin) =>
    drawing("rect", {
      class: "bar",
      x: LEFT + (bin.hundredths - first) * width + 0.5,
      width: Math.max(1, width - 1),
      y: height(bin.count),
      height: height(0) - height(bin.count),
    }),
  );
  image.append(drawing("g", { class: "first" }, bars));
  const rows = bins.map((bin) => [value(bin.hundredths), number(bin.count)]);
  const columns = [
    ["from", true],
    ["draws", true],
  ];
  return element("figure", {}, element("figcaption", {}, title), image, numbers(key, title, columns, rows));
}

// A table whose last column is a bar for the number before it.
function barTable(caption, columns, rows, values) {
  const most = Math.max(...values, 1e-9);
  const bar = (value) =>
    drawing(
      "svg",
      { viewBox: "0 0 100 8", preserveAspectRatio: "none", height: "12", "aria-hidden": "true", class: "first" },
      drawing("g", { class: "first" }, drawing("rect", { class: "bar", width: (100 * value) / most, height: 8 })),
    );
  return table(caption, [...columns, ["", false]], rows.map((row, index) => [...row, bar(values[index])]));
}

// MARK: Sections

function showPace({ status, advice }) {
  const pace = status.pace ?? {};
  setText("advice", advice ?? "");
  const rate = (value) => (value === undefined ? null : `${number(value, 1)} images/s`);
  const runs = status.process !== undefined;
  show("facts", [status.workers, status.cores, status.images, status.images_per_second, status.resident_bytes, pace, runs, status.index, status.replaced_samples], () =>
    facts([
      ["speed, over 10 s", runs ? rate(status.images_per_second) : null],
      ["the trainer takes, while it does not wait", rate(pace.trainer_images_per_second)],
      ["the workers can make", rate(pace.possible_images_per_second)],
      ["limited by", pace.limited_by ?? null],
      ["cores that the trainer needs", pace.needed_cores === undefined ? null : number(pace.needed_cores, 1)],
      ["workers that would keep up", pace.needed_workers === undefined ? null : number(pace.needed_workers)],
      ["slots that would bridge bursts", pace.needed_slots === undefined ? null : number(pace.needed_slots)],
      ["workers", `${number(status.workers)} on ${counted(status.cores, "core")}`],
      ["images since start", runs ? `${number(status.images)}, ${number(status.replaced_samples)} replaced` : null],
      ["memory", runs ? `${size(status.resident_bytes)} resident` : null],
      ["index", status.index],
    ]),
  );
}

function ringText(ring) {
  const reader = ring.reader_process === undefined ? "no trainer reads" : `read by process ${ring.reader_process}`;
  return (
    `Batch ${ring.next_batch} is made next (epoch ${ring.epoch}, step ${ring.step} of ${ring.batches_per_epoch}); ` +
    `${ring.ready_batches} of ${ring.slots} slots ready, ${ring.leased_batches} held by the trainer; ${reader}. In the last minute ` +
    `the trainer waited ${number(ring.trainer_starved_percent)} %, the workers ${number(ring.full_percent)} %.`
  );
}

function showRings({ status, rings }) {
  const told = rings.map((ring) => status.rings.find((other) => other.rank === ring.rank) ?? null);
  const seen = rings.map(({ rank, problem, slots, batches }) => ({ rank, problem, slots, batches }));
  show("rings", [told, seen], () =>
    seen.flatMap(({ rank, problem, slots, batches }, index) => {
      const free = Math.max(0, slots - batches.length);
      const slot = (text, kind, words) => element("li", { class: kind, title: words, "aria-label": words }, text);
      return [
        rankHeading(rank, seen),
        problem === undefined ? null : element("p", { class: "problem" }, outside(problem)),
        told[index] === null ? null : element("p", {}, ringText(told[index])),
        slots === 0
          ? null
          : element(
              "ul",
              { class: "slots", "aria-label": `The ${slots} slots of rank ${rank}` },
              batches.map(({ batch, is_leased: isLeased }) =>
                slot(String(batch), isLeased ? "leased" : "ready", `batch ${batch}, ${isLeased ? "held by the trainer" : "ready"}`),
              ),
              Array.from({ length: free }, () => slot("·", "free", "free, or being filled")),
            ),
        slots === 0 ? null : element("p", { class: "quiet" }, "Blue: ready. Orange: held by the trainer. Empty: free, or being filled."),
      ].filter((node) => node !== null);
    }),
  );
}

const labelText = (sample) => (sample.label < 0 ? "no label" : `label ${sample.label}`);

// What a style is called: by its name, where `names` has one, else by what lent it.
function styleName(id, names, source) {
  if (id < 0) return "drawn anew";
  return names.get(id) ?? `${source === "in-batch" ? "sample" : "number"} ${id}`;
}

function styleText(style, names, source) {
  if (!style.applied) return `view ${style.view}: no style`;
  const whose = `style: ${styleName(style.style_id, names, source)}`;
  return `view ${style.view}: alpha ${number(style.alpha, 2)}, beta ${number(style.beta, 2)}, ${whose}`;
}

function picturesOf(batch, sample) {
  return sample.pictures.map((address, index) => {
    const { view, width, height } = batch.views[index];
    const style = sample.styles.find((one) => one.view === view);
    const words = `view ${view} of sample ${sample.sample_id}${style?.applied ? ", stylized" : ""}`;
    const image = element("img", { src: address, width, height, alt: words });
    image.style.setProperty("--ratio", `${width} / ${height}`);
    return image;
  });
}

function drawnText(value) {
  if (Array.isArray(value)) return value.map(drawnText).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? number(value, 4) : String(value);
}

function openSample(batch, sample, names, source) {
  setText("sample-heading", `Sample ${sample.sample_id}, ${labelText(sample)}, position ${sample.position} of batch ${batch.batch}`);
  find("sample-pictures").replaceChildren(element("div", { class: "views" }, picturesOf(batch, sample)));
  const rows = sample.drawn === undefined ? [] : Object.keys(sample.drawn[0]).filter((name) => name !== "view").sort();
  find("sample-draws").replaceChildren(
    ...sample.styles.map((style) => element("p", {}, outside(styleText(style, names, source)))),
    rows.length === 0
      ? element("p", { class: "quiet" }, "With ring.drawn = true, crop, flip, colours and everything else that was drawn stand here.")
      : table(
          "What was drawn (docs/ring-format.md)",
          [["", false], ...sample.drawn.map((view) => [`view ${view.view}`, false])],
          rows.map((name) => [name, ...sample.drawn.map((view) => drawnText(view[name]))]),
        ),
  );
  find("sample").showModal();
}

const namesOf = (styles) => new Map(styles.filter((one) => one.name !== undefined).map((one) => [one.style_id, one.name]));

function showBatches({ rings, history, status: { style_source: source } }) {
  const kept = rings.map(({ rank, shown, problem }) => ({ rank, shown, problem }));
  // The index may learn a style's name after the batch.
  const named = new Map(rings.map(({ rank }) => [rank, namesOf(history.find((one) => one.rank === rank)?.styles ?? [])]));
  show("batches", [kept, [...named].map(([rank, names]) => [rank, ...names])], () =>
    kept.flatMap(({ rank, shown }) => {
      const names = named.get(rank);
      const heading = rankHeading(rank, kept);
      if (shown === undefined) return [heading, element("p", { class: "quiet" }, "No batch has been seen in this ring yet.")].filter((node) => node !== null);
      const place = `Batch ${shown.batch}, epoch ${shown.epoch}, step ${shown.step}`;
      const rest = shown.count > shown.samples.length ? `, the first ${shown.samples.length} of ${shown.count} samples` : "";
      return [
        heading,
        element("p", {}, `${place}${rest}${shown.is_in_ring ? "." : "; the ring does not hold it any more."}`),
        shown.samples[0]?.drawn === undefined
          ? element("p", { class: "quiet" }, "With ring.drawn = true, batches also tell crop, flip, colours and everything else that was drawn.")
          : null,
        element(
          "ul",
          { class: "samples", "aria-label": `Samples of batch ${shown.batch}` },
          shown.samples.map((sample) => {
            const button = element(
              "button",
              { type: "button", "data-key": `${rank}/${sample.position}` },
              element("span", { class: "views" }, picturesOf(shown, sample)),
              element("span", {}, `sample ${sample.sample_id}, ${labelText(sample)}`),
              sample.styles.map((style) => element("span", { class: "quiet" }, outside(styleText(style, names, source)))),
            );
            button.addEventListener("click", () => openSample(shown, sample, names, source));
            return element("li", {}, button);
          }),
        ),
      ].filter((node) => node !== null);
    }),
  );
}

// How many batches were finished and not given back, from when they were made and given back.
function fillOf(batches, inRing, slots) {
  const events = [];
  for (const batch of batches) {
    // One that is neither given back nor in the ring was dropped, nobody knows when.
    if (batch.consumed_at_seconds === undefined && !inRing.has(batch.batch)) continue;
    events.push([batch.made_at_seconds, 1]);
    if (batch.consumed_at_seconds !== undefined) events.push([Math.max(batch.made_at_seconds, batch.consumed_at_seconds), -1]);
  }
  events.sort((one, other) => one[0] - other[0]);
  let held = 0;
  // The index learns up to a second late of what was given back.
  return events.map(([seconds, change]) => [seconds, Math.min((held += change), slots || held)]);
}

function clock(seconds) {
  return new Date(seconds * SECOND).toLocaleTimeString();
}

function showHistory({ history, rings, index_problem: problem, made_at_seconds: now }) {
  const last = history.map(({ rank, intervals, batches }) => ({ rank, intervals, batches }));
  // The axis ends now, also where nothing more is written, and the last of the fill is what the ring holds.
  const held = rings.map(({ rank, slots, batches }) => [rank, slots, batches]);
  show("histories", [last, problem, held, Math.floor(now / CHART_STEP_SECONDS)], () => {
    if (problem !== undefined) return element("p", { class: "problem" }, outside(problem));
    return last.map(({ rank, intervals, batches }) => {
      const ring = rings.find((one) => one.rank === rank);
      const fill = fillOf(batches, new Set(ring.batches.map(({ batch }) => batch)), ring.slots);
      const rows = intervals.map((one) => [clock(one.started_at_seconds), number(one.images_per_second, 1), number(one.trainer_starved_percent, 1), number(one.full_percent, 1)]).reverse();
      const columns = [["from", false], ["images/s", true], ["the trainer waited, %", true], ["the workers waited, %", true]];
      const points = (field) => intervals.map((one) => [one.started_at_seconds + one.duration_seconds, one[field]]);
      const charts = [];
      if (intervals.length > 0) {
        const from = intervals[0].started_at_seconds;
        const to = Math.max(now, from + 1);
        charts.push(
          timeChart({
            key: `speed ${rank}`, title: "Speed", unit: "", from, to, columns, rows,
            most: roundedUp(Math.max(...intervals.map((one) => one.images_per_second))),
            series: [{ name: "images/s", points: points("images_per_second") }],
          }),
          timeChart({
            key: `waits ${rank}`, title: "Waits", unit: " %", from, to, columns, rows, most: 100,
            series: [
              { name: "the trainer waited: the ring was empty", points: points("trainer_starved_percent") },
              { name: "the workers waited: the ring was full", points: points("full_percent") },
            ],
          }),
        );
      }
      if (fill.length > 0) {
        charts.push(
          timeChart({
            key: `fill ${rank}`, title: "Ring fill", unit: "", from: fill[0][0], to: Math.max(now, fill[0][0] + 1), steps: true,
            most: Math.max(ring.slots, ...fill.map(([, held]) => held), 1),
            series: [{ name: "batches that are ready or held", points: fill }],
            columns: [["at", false], ["batches", true]],
            rows: fill.map(([seconds, held]) => [clock(seconds), number(held)]).reverse(),
          }),
        );
      }
      const content = charts.length > 0 ? charts : [element("p", { class: "quiet" }, "The index has nothing yet: intervals of ten seconds and batches come as they are made.")];
      return element("div", {}, rankHeading(rank, last), element("div", { class: "charts" }, content));
    });
  });
}

function showStages({ status, history }) {
  const names = ["read", "decode", "crop", "embed", "stylize", "augment"];
  const present = names.map((name) => status.stages[`${name}_microseconds`] / 1000);
  const batches = history.flatMap((one) => one.batches).slice(-20);
  const mean = (field) => batches.reduce((sum, batch) => sum + batch[field], 0) / batches.length;
  const parts = [["read, decode", "decode"], ["crop", "crop"], ["embed, stylize", "style"], ["augment", "augment"]];
  const older = batches.length > 0 ? parts.map(([, field]) => mean(`${field}_milliseconds`)) : [];
  show("stage-times", [present, older, status.pace], () => {
    const columns = [["stage", false], ["ms", true]];
    const tables = [];
    if (present.some((value) => value > 0)) {
      tables.push(barTable("Time of one worker for an image, since the daemon started", columns, names.map((name, index) => [name, number(present[index], 2)]), present));
    }
    if (older.length > 0) {
      tables.push(barTable(`Core time of a batch, the mean of the latest ${batches.length} in the index`, columns, parts.map(([name], index) => [name, number(older[index], 1)]), older));
    }
    const pace = status.pace;
    const worker = pace?.worker_microseconds === undefined ? null : element("p", {}, `In all ${number(pace.worker_microseconds / 1000, 2)} ms of a worker for an image, of which a core works ${number(pace.core_microseconds / 1000, 2)} ms and ${number(pace.read_wait_microseconds / 1000, 2)} ms are waiting for files.`);
    return tables.length > 0 ? [worker, element("div", { class: "charts" }, tables)] : element("p", { class: "quiet" }, "No image has been made yet.");
  });
}

function showDraws({ history, status }) {
  const drawn = history.map(({ rank, strengths, styles, different_styles: different, counted_batches: batches }) => ({ rank, strengths, styles, different, batches }));
  show("distributions", drawn, () => {
    const nodes = drawn.flatMap(({ rank, strengths, styles, different, batches }) => {
      if (strengths.every(({ stylized }) => stylized === 0)) return [];
      const charts = strengths.filter(({ stylized }) => stylized > 0).flatMap((one) => [
        histogram({ key: `alpha ${rank} ${one.view}`, title: `alpha of view ${one.view}`, bins: one.alpha, total: one.stylized }),
        histogram({ key: `beta ${rank} ${one.view}`, title: `beta of view ${one.view}`, bins: one.beta, total: one.stylized }),
      ]);
      const shares = strengths.map((one) => `${number((100 * one.stylized) / one.samples, 1)} % of ${counted(one.samples, "sample")} in view ${one.view}`);
      const names = namesOf(styles);
      const named = styles.map((one) => [outside(styleName(one.style_id, names, status.style_source)), number(one.count)]);
      return [
        rankHeading(rank, drawn),
        element("p", {}, `Stylized in the latest ${batches} batches or fewer: ${shares.join(", ")}; ${counted(different, "different style")}.`),
        element("div", { class: "charts" }, charts, barTable("Styles drawn most often", [["style", false], ["draws", true]], named, styles.map((one) => one.count))),
      ];
    });
    return nodes.length > 0 ? nodes : element("p", { class: "quiet" }, "The index has no stylized samples.");
  });
}

function showBadFiles({ status }) {
  show("quarantine", [status.quarantine, status.quarantined_files, status.replaced_samples], () => {
    const all = status.quarantined_files;
    if (all === 0) return element("p", {}, "None so far.");
    const listed = status.quarantine.length;
    const rows = status.quarantine.map((one) => [number(one.sample_id), outside(one.path), outside(one.reason)]);
    const caption = listed < all ? `${number(listed)} of ${counted(all, "bad file")}` : counted(all, "bad file");
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table(caption, [["sample", true], ["file", false], ["what is wrong", false]], rows));
  });
}

function showConfiguration({ status, configuration, configuration_problem: problem }) {
  const warning = find("configuration-problem");
  warning.hidden = problem === undefined;
  setText("configuration-problem", problem === undefined ? "" : `The file has come to be wrong, so what it said before is shown. ${problem}`);
  const told = [
    ["fingerprint", status.fingerprint || "not known"],
    ["dataset", outside(status.dataset)],
    ["samples", number(status.samples)],
    ["style", status.style_source],
    ["model", outside(status.model)],
    ["instructions", status.cpu_path || null],
    ["file", status.configuration_file === undefined ? null : outside(status.configuration_file)],
    ["version", status.program_version],
  ];
  show("stream", told.map(([name, value]) => [name, value?.textContent ?? value]), () => facts(told));
  setText("keys", configuration);
}

// MARK: The whole page

function showState(state) {
  const { status } = state;
  setText("name", status.name);
  document.title = `${status.name}: ${status.state} – SASSL`;
  showBadge(status.state);
  const began = status.started_at_seconds > 0 ? moment(status.started_at_seconds) : "";
  setText("since", status.process !== undefined ? `process ${status.process} since ${began}` : began && `last started ${began}`);
  // Read aloud when it changes, so it has nothing that changes each second.
  setText("news", status.state === "running" ? "" : `The daemon is ${status.state}.`);
  setText("detail", status.detail);
  for (const section of [showPace, showRings, showBatches, showHistory, showStages, showDraws, showBadFiles, showConfiguration]) section(state);
  const time = find("moment");
  time.dateTime = new Date(state.made_at_seconds * SECOND).toISOString();
  setText("moment", moment(state.made_at_seconds));
}

function showBadge(state) {
  setText("state", state);
  find("state").className = `badge ${state}`;
}

let isPaused = false;

async function refresh() {
  try {
    const answer = await fetch("state.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const state = await answer.json();
    if (!isPaused) showState(state);
  } catch (error) {
    showBadge("silent");
    setText("news", `The server of this page (sasslctl page) does not answer; it is asked again each second. ${error.message}`);
  }
}

async function follow() {
  for (;;) {
    if (!isPaused && !document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, SECOND));
  }
}

const inside = find("inside").textContent.trim();
if (inside) {
  showState(JSON.parse(inside));
} else {
  const pause = find("pause");
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) refresh();
  });
  follow();
}
