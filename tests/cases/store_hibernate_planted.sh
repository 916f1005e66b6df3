#!/bin/bash
# limit: 300
# Every bug planted in how idle regions sleep is caught by one of its tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store hibernate hibernation
