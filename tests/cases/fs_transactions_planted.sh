#!/bin/bash
# limit: 300
# Every bug planted in the coordinator of operations across regions is caught by a unit test.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught fs transactions transactions dispatcher facts_held
