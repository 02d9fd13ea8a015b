/** How numbers and names are written. */

const counts = new Intl.NumberFormat("en-GB");
const names = { t1: "T1", t1ce: "T1ce", t2: "T2", flair: "FLAIR" };

export const modalityName = (modality) => names[modality] ?? modality;

export const count = (number) => counts.format(number);

/** Millilitres with as many decimals as they can carry. */
export function millilitres(volume) {
  if (volume === null || volume === undefined) return "–";
  if (volume > 0 && volume < 0.005) return "< 0.01"; // Not none.
  return volume.toFixed(volume < 10 ? 2 : 1);
}

export const decimals = (number, places) =>
  number === null || number === undefined || !Number.isFinite(number) ? "–" : number.toFixed(places);

/** Seconds as somebody who waits would say them. */
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return "a few seconds left";
  if (seconds < 90) return `about ${5 * Math.round(seconds / 5)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

export function bytes(number) {
  if (number < 1e6) return `${Math.max(1, Math.round(number / 1e3))} kB`;
  if (number < 1e9) return `${(number / 1e6).toFixed(1)} MB`;
  return `${(number / 1e9).toFixed(2)} GB`;
}

export const many = (number, one, several) => `${count(number)} ${number === 1 ? one : several}`;

export const shape = (sizes) => sizes.join(" × ");
