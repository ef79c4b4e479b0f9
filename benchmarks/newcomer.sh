#!/usr/bin/env bash
# How long it takes from a clone to a report about an augmented set of one's own crops.
#
#     benchmarks/newcomer.sh [CROPS]
#
# CROPS is a folder of JPEGs with names in Market-1501's format; without it, people are drawn. Prints
# the seconds since the start after each step; most of them are PyTorch's download.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

done_with() { printf '%4d s  %s\n' "$SECONDS" "$1"; }

SECONDS=0
git clone --quiet "$here" visnet
done_with "cloned"
make --silent -C visnet setup >setup.log 2>&1
done_with "installed"
PATH=$place/visnet/.venv/bin:$PATH
if [ $# = 1 ]; then
  mkdir crops
  cp "$1"/*.jpg crops
else
  visnet-aug draw --out drawn 2>/dev/null
  mv drawn/bounding_box_train crops
  done_with "drawn"
fi
mapfile -t some < <(find crops -name '*.jpg' | sort | head -3)
visnet-aug preview "${some[@]}" --to tries.png >preview.log
done_with "three people with backgrounds of each family: tries.png"
visnet-aug build --src crops --out aug --pattern '(?P<pid>\d+)_c(?P<camid>\d+).*' >build.log 2>&1
done_with "built: $(tail -n +2 aug/manifest.csv | wc -l) images"
visnet-aug inspect aug 2>/dev/null >inspect.log
done_with "inspected: aug/report/index.html"
