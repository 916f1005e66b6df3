#!/bin/bash
# limit: 300
# Every bug planted in the notes of what has changed is caught by a unit test.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store route router
