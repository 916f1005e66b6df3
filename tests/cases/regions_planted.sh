#!/bin/bash
# limit: 600
# What judges regions that are split and moved is checked: each of these planted bugs must be caught (tests/lib/planted.sh).
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught_by_seeds regions <<'BUGS'
hibernate:death_unnoticed       40 # 1
hibernate:lease_kept            40 # 6
hibernate:request_unheard      200 # 28
hibernate:return_unnoticed      40 # 2
hibernate:sleeps_behind         20 # 1
split:early_unasked            300 # 94
split:range_given_up           600 # 158
BUGS
