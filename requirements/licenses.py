"""Print name, version and license of each part in a CycloneDX bill of materials; end with 1 where one has none."""

import json
import sys
from pathlib import Path

parts = json.loads(Path(sys.argv[1]).read_text())["components"]
unknown = 0
for part in sorted(parts, key=lambda part: part["name"].lower()):
    entries = [entry.get("expression") or entry["license"] for entry in part.get("licenses", ())]
    found = [entry if isinstance(entry, str) else entry.get("id") or entry["name"] for entry in entries]
    unknown += not found
    print(f"{part['name']:24}{part['version']:14}{', '.join(dict.fromkeys(found)) or 'UNKNOWN'}")
sys.exit(unknown > 0)
