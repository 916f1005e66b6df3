#!/bin/bash
# limit: 400
# A hundred seeds of several stores whose regions are split, moved and handed over while stores fail: no answer is wrong,
# nothing acknowledged is lost, the regions divide the key space.
cd "$(dirname "$0")/../.." || exit 2
exec "${BUILD:-build}/tests/regions" --seed 1 --seeds 100
