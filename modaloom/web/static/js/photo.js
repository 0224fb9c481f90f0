// Photos that a shopper gives: chosen, taken, dropped or pasted; made small here, so that little leaves the phone.
import { h } from "./dom.js";

const MAX_SIDE = 1280;
const QUALITY = 0.9;

/**
 * A photo as a small JPEG; its place and camera stay behind.
 * @param {Blob} file
 * @returns {Promise<Blob>} rejects where the browser cannot read it
 */
export async function smaller(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
  const canvas = h("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((done, fail) =>
    canvas.toBlob((/** @type {Blob|null} */ made) => (made ? done(made) : fail(new Error("no picture"))), "image/jpeg", QUALITY),
  );
}

/** @param {DataTransfer|null} data @returns {File|undefined} */
function pictureIn(data) {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));
}

/**
 * Takes photos from everywhere that a page can get them.
 * @param {{inputs: HTMLInputElement[], veil: HTMLElement, onPhoto: (file: Blob) => void}} what
 */
export function takePhotos({ inputs, veil, onPhoto }) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) onPhoto(file);
      input.value = "";
    });
  }
  let depth = 0;
  const hide = () => {
    depth = 0;
    veil.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) hide();
  });
  addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    const file = pictureIn(event.dataTransfer);
    hide();
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (file) onPhoto(file);
  });
  addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    onPhoto(file);
  });
}
