#!/bin/bash
# limit: 600
# Seven hundred seeds of the whole cluster in one thread: three stores, two mounts, everything that goes wrong. Seven of
# eight split regions.
cd "$(dirname "$0")/../.." || exit 2
exec "${BUILD:-build}/tests/sim" --seed 1 --seeds 700
