/** Volumes of the server as NiiVue holds them, each fetched and unpacked once. */

import { volume } from "./api.js";
import { niivue } from "./niivue.js";

const KEPT = 8;

const kept = new Map();

/** Forget all, as when another case is opened. */
export const forgetVolumes = () => kept.clear();

/** The volume of an address; those asked for last are kept. */
export function volumeAt(address) {
  const found = kept.get(address) ?? load(address);
  kept.delete(address);
  kept.set(address, found);
  found.catch(() => kept.delete(address));
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
  return found;
}

async function load(address) {
  const [{ NVImage }, bytes] = await Promise.all([niivue(), volume(address)]);
  return NVImage.new(bytes, "image.nii.gz");
}

/**
 * Where to look first: the middle of the labels in the slice that holds most of them.
 *
 * @returns {number[]|null} millimetres, or null where there is no label
 */
export function centreOfLabels({ img, hdr }) {
  const [, width, height, depth] = hdr.dims;
  const area = width * height;
  let [best, most] = [-1, 0];
  for (let slice = 0; slice < depth; slice++) {
    let found = 0;
    for (let index = slice * area; index < (slice + 1) * area; index++) if (img[index]) found++;
    if (found > most) [best, most] = [slice, found];
  }
  if (best < 0) return null;
  let [x, y] = [0, 0];
  for (let index = 0; index < area; index++) {
    if (!img[best * area + index]) continue;
    x += index % width;
    y += Math.floor(index / width);
  }
  const voxel = [Math.round(x / most), Math.round(y / most), best, 1];
  return hdr.affine.slice(0, 3).map((row) => row.reduce((sum, factor, axis) => sum + factor * voxel[axis], 0));
}
