#!/bin/bash
# limit: 400
# A thousand seeds of the store on a machine that fails in every way: nothing acknowledged is lost, nothing leaks.
cd "$(dirname "$0")/../.." || exit 2
"${BUILD:-build}/tests/store_crash" --seed 1 --seeds 1000 &&
	exec "${BUILD:-build}/tests/store_crash" --early --seed 1 --seeds 300
