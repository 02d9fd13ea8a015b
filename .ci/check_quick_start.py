"""Exit with an error unless the quick start reached the Dice that the README promises."""

import json
import sys
from pathlib import Path

PROMISED = {"WT": 0.90, "TC": 0.80, "ET": 0.75}

summary = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
reached = {region: summary["regions"][region]["dice"]["mean"] for region in PROMISED}
print("minutes:", summary["minutes"], "held-out Dice:", reached)
low = [region for region, dice in reached.items() if dice < PROMISED[region]]
sys.exit(f"quick start below its promise: {', '.join(low)}" if low else 0)
