(async () => {
  "use strict";
  const element = (id) => document.getElementById(id);
  const controls = element("view-controls");
  const told = element("view-state");
  const canvas = element("view-canvas");
  const setup = JSON.parse(element("view-setup").textContent);

  if (!document.createElement("canvas").getContext("webgl2")) {
    told.textContent = "This browser cannot draw in three dimensions (it has no WebGL 2). The planes above show the same case.";
    canvas.hidden = true;
    return;
  }

  const bytesOf = (name) => {
    const text = atob(element(`volume-${name}`).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
    return bytes.buffer;
  };
  const volumes = new Map();
  const volume = async (name, colormap) => {
    if (!volumes.has(name)) {
      volumes.set(name, await niivue.NVImage.new(bytesOf(name), `${name}.nii.gz`, colormap, 1, null, 0, 255));
    }
    return volumes.get(name);
  };

  const viewer = new niivue.Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [0.34, 0.71, 0.91, 0.7],
    crosshairWidth: 0.6,
    show3Dcrosshair: true,
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS,
    multiplanarForceRender: true,
    dragAndDropEnabled: false,
    showLegend: false,
    loadingText: "",
    logLevel: "error",
  });

  const levels = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const tissues = setup.tissues.map(([name, colour]) => ({ name, channels: levels(colour) }));
  const colourTable = () => {
    const shown = [...controls.querySelectorAll("[data-tissue]")].map((box) => box.checked);
    const channel = (index) => [0, ...tissues.map((tissue) => tissue.channels[index])];
    return {
      R: channel(0), G: channel(1), B: channel(2),
      A: [0, ...shown.map((checked) => (checked ? 255 : 0))],
      I: [0, ...tissues.map((_, index) => index + 1)],
      labels: ["", ...tissues.map((tissue) => tissue.name)],
    };
  };

  const show = async () => {
    const image = await volume(element("view-image").value, "gray");
    const labels = await volume(element("view-labels").value, "gray");
    labels.setColormapLabel(colourTable());
    image.opacity = Number(element("view-image-opacity").value) / 100;
    labels.opacity = Number(element("view-labels-opacity").value) / 100;
    viewer.volumes = [image, labels];
    viewer.setVolume(image, 0);
  };
  const turn = () => viewer.setSliceType(niivue.SLICE_TYPE[element("view-planes").value]);
  const reset = () => {
    viewer.setPan2Dxyzmm([0, 0, 0, 1]);
    viewer.setRenderAzimuthElevation(110, 15);
    viewer.scene.crosshairPos = viewer.mm2frac(setup.centre_mm);
    viewer.updateGLVolume();
  };

  try {
    await viewer.attachToCanvas(canvas);
    await show();
    turn();
    reset();
  } catch (error) {
    told.textContent = `The 3-D view could not start: ${error.message}. The planes above show the same case.`;
    canvas.hidden = true;
    return;
  }
  for (const id of ["view-image", "view-labels", "view-image-opacity", "view-labels-opacity"]) {
    element(id).addEventListener("input", show);
  }
  for (const box of controls.querySelectorAll("[data-tissue]")) box.addEventListener("input", show);
  element("view-planes").addEventListener("input", turn);
  element("view-reset").addEventListener("click", reset);
  controls.disabled = false;
  told.textContent = "";
  canvas.dataset.ready = "yes";
})();
