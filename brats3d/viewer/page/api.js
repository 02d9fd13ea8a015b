/** Requests to the service; each resolves to what was asked for or rejects with a Problem. */

import { problemOf, unreachable } from "./problem.js";

async function request(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) throw problemOf(await response.text(), response.status);
  return response;
}

async function json(address, options) {
  const response = await request(address, options);
  return response.status === 204 ? null : response.json();
}

const send = (address, body) =>
  json(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

const segments = (path) => path.split("/").map(encodeURIComponent).join("/");

const query = (thresholds) => {
  const chosen = new URLSearchParams(Object.entries(thresholds).map(([region, value]) => [region, String(value)]));
  return chosen.size ? `?${chosen}` : "";
};

export const addresses = {
  file: (upload, name) => `/api/uploads/${upload}/files/${segments(name)}`,
  image: (upload, modality) => `/api/uploads/${upload}/images/${encodeURIComponent(modality)}.nii.gz`,
  reference: (upload) => `/api/uploads/${upload}/reference.nii.gz`,
  events: (job) => `/api/jobs/${job}/events`,
  ofResult: (job, name, thresholds = {}) => `/api/jobs/${job}/${name}${query(thresholds)}`,
};

export const models = () => json("/api/models");
export const newUpload = () => send("/api/uploads", {});
export const contents = (upload) => json(`/api/uploads/${upload}`);
export const assign = (upload, modalities, reference) => send(`/api/uploads/${upload}/assignment`, { modalities, reference });
export const segment = (upload, model) => send("/api/segment", { upload, model });
export const progress = (job) => json(`/api/jobs/${job}`);
export const cancel = (job) => json(`/api/jobs/${job}`, { method: "DELETE" });
export const result = (job, thresholds, signal) => json(addresses.ofResult(job, "result", thresholds), { signal });

/** Forget an upload; keeps going while the page closes. */
export const forget = (upload) => fetch(`/api/uploads/${upload}`, { method: "DELETE", keepalive: true });

/** The bytes of a volume, still compressed. */
export async function volume(address, signal) {
  return (await request(address, { signal })).arrayBuffer();
}
