/** How well the results agree with the reference, and with each other. */

import { byId, fill, make } from "./dom.js";
import { count, decimals, millilitres } from "./format.js";
import { session } from "./session.js";

export function startScoresPanel() {
  session.on("case runs recounted", () => {
    showScores();
    showComparison();
  });
}

function showScores() {
  const scores = session.run?.result.scores;
  byId("scores").hidden = !scores;
  if (!scores) return;
  const unit = session.run.result.unit;
  fill(
    byId("scores-table"),
    make("caption", { class: "unseen" }, `${session.run.model.title} against the reference`),
    head("Region", "Dice", `HD95, ${unit}`),
    make("tbody", {}, ...scores.map(({ region, dice, hd95_mm: hd95 }) =>
      make("tr", { data: { region } },
        make("th", { scope: "row" }, region),
        make("td", { data: { number: "dice" } }, decimals(dice, 3)),
        make("td", { data: { number: "hd95" } }, decimals(hd95, 1))))),
  );
}

function showComparison() {
  const { runs } = session;
  byId("comparison").hidden = runs.length < 2;
  if (runs.length < 2) return;
  const regions = [...new Set(runs.flatMap(({ result }) => result.regions.map(({ name }) => name)))];
  const inPixels = runs[0].result.unit !== "mm";
  const scored = runs.some(({ result }) => result.scores);
  fill(
    byId("comparison-table"),
    make("caption", {}, `${inPixels ? "Pixels" : "Millilitres"} of each region${scored ? ", Dice below" : ""}`),
    head("Model", ...regions),
    make("tbody", {}, ...runs.map((run) => compared(run, regions, inPixels))),
  );
}

function compared({ id, model, result }, regions, inPixels) {
  return make("tr", { data: { run: id } },
    make("th", { scope: "row" }, model.title),
    ...regions.map((name) => {
      const region = result.regions.find((one) => one.name === name);
      const score = result.scores?.find((one) => one.region === name);
      const volume = region ? (inPixels ? count(region.voxels) : millilitres(region.volume_ml)) : "–";
      return make("td", {}, volume, score ? make("span", { class: "muted second" }, decimals(score.dice, 3)) : null);
    }));
}

const head = (...titles) => make("thead", {}, make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title))));
