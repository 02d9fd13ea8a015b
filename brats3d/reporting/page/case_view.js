(async () => {
  "use strict";
  const element = (id) => document.getElementById(id);
  const controls = element("view-controls");
  const told = element("view-state");
  const canvas = element("view-canvas");
  const setup = JSON.parse(element("view-setup").textContent);

  const giveUp = (reason) => {
    told.textContent = `${reason} The planes above show the same case.`;
    canvas.parentElement.hidden = true;
    controls.hidden = true;
  };
  if (!document.createElement("canvas").getContext("webgl2")) {
    giveUp("This browser cannot draw in three dimensions (it has no WebGL 2).");
    return;
  }

  const bytesOf = (name) => {
    const text = atob(element(`volume-${name.replaceAll(" ", "-")}`).textContent.trim());
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
    multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID,
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
    viewer.scene.pan2Dxyzmm = [0, 0, 0, 1];
    viewer.scene.renderAzimuth = 110;
    viewer.scene.renderElevation = 15;
    viewer.scene.crosshairPos = viewer.mm2frac(setup.centre_mm);
    viewer.drawScene();
  };
  // Drawing may take longer than events take to come: of those between two frames one is drawn.
  const waiting = new Set();
  const soon = (work) => () => {
    if (!waiting.size) {
      requestAnimationFrame(() => {
        const all = [...waiting];
        waiting.clear();
        for (const one of all) one();
      });
    }
    waiting.add(work);
  };

  try {
    await viewer.attachToCanvas(canvas);
    await show();
    reset();
  } catch (error) {
    giveUp(`The 3-D view could not start (${error.message}).`);
    return;
  }
  for (const control of controls.querySelectorAll("select, input")) {
    const own = soon(control.id === "view-planes" ? turn : show);
    for (const kind of ["input", "change"]) control.addEventListener(kind, own);
  }
  // Voxels lead to the right, to the front and upwards; the patient's right is on the left.
  const steps = {
    ArrowLeft: [1, 0, 0], ArrowRight: [-1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0],
    PageUp: [0, 0, 1], PageDown: [0, 0, -1],
  };
  let way = [0, 0, 0];
  const move = soon(() => {
    viewer.moveCrosshairInVox(...way);
    way = [0, 0, 0];
  });
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    way = way.map((gone, axis) => gone + step[axis]);
    move();
  });
  element("view-reset").addEventListener("click", reset);
  controls.disabled = false;
  told.textContent = "";
  canvas.dataset.ready = "yes";
})();
