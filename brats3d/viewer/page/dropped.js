/** Files that were dropped or chosen, with their paths inside the folder they came in. */

const hidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

const readable = (found) => found.filter(({ name }) => !hidden(name));

/**
 * Files of a drop, folders walked through. What a drop holds can be asked for only while it is being handled,
 * so call this without waiting for anything first.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{name: string, file: File}[]>}
 */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
  const loose = [...transfer.files];
  if (entries.every((entry) => entry === null)) return readable(loose.map((file) => ({ name: file.name, file })));
  const found = await Promise.all(entries.filter((entry) => entry !== null).map(walk));
  return readable(found.flat());
}

/** Files of an input, be it one for files or for a folder. */
export const filesOfInput = (input) =>
  readable([...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));

async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: entry.fullPath.replace(/^\//, ""), file }];
  }
  const found = await Promise.all((await children(entry)).map(walk));
  return found.flat();
}

/** A reader gives at most a hundred entries at a time, and none when it is done. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}
