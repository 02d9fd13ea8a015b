import json
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

SERVER, CASE, MODEL = sys.argv[1:]  # such as http://127.0.0.1:8000 cases/BraTS2021_00000 first


def ask(method, path, body=None):
    headers = {"Content-Type": "application/json"}  # and "Authorization": "Bearer TOKEN", if it asks for one
    return json.loads(urlopen(Request(SERVER + path, body, headers, method=method)).read())


upload = ask("POST", "/api/uploads")["id"]
for modality in ("t1", "t1ce", "t2", "flair"):
    (file,) = Path(CASE).glob(f"*_{modality}.nii.gz")
    ask("PUT", f"/api/uploads/{upload}/files/{file.name}", file.read_bytes())
job = ask("POST", "/api/segment", json.dumps({"upload": upload, "model": MODEL}).encode())["id"]
while (progress := ask("GET", f"/api/jobs/{job}"))["state"] in ("queued", "running"):
    time.sleep(0.5)
if progress["state"] != "done":
    sys.exit(f"{progress['state']}: {progress['error']}")
for region in ask("GET", f"/api/jobs/{job}/result")["regions"]:
    print(f"{region['name']}: {region['volume_ml']:.2f} ml")
with urlopen(f"{SERVER}/api/jobs/{job}/labels.nii.gz") as labels:
    Path("labels.nii.gz").write_bytes(labels.read())
