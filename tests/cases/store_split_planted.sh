#!/bin/bash
# limit: 400
# Every bug planted in how a region is split is caught by one of its tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store split split split_replicas
