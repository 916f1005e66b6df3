#!/bin/bash
# limit: 300
# Every bug planted in how a replica whose disk is full comes back is caught by one of its tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store room room
