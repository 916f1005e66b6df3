#!/bin/bash
# limit: 400
# Every bug planted in how a region's snapshot is made, sent, staged and installed is caught by one of its tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store snapshot snapshot_chunk snapshot_stage snapshots
