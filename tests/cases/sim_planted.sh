#!/bin/bash
# limit: 600
# The simulator's checkers are checked: each of these planted bugs must be caught (tests/lib/planted.sh).
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught_by_seeds sim <<'BUGS'
blocks:deferred_unsynced       400 # 144
blocks:sync_skipped            100 --works registers,appends --faults power,power-all,stop # 5
log:ack_before_sync             50 # 10
log:recycle_early              100 # 10
log:stale_accepted             100 # 10
members:copies_welcome          50 --faults old-copy,kill,power,power-all # 13
members:lives_forgotten        100 --faults wipe,kill,power,power-all # 26
members:old_lives_welcome      300 --faults old-copy,wipe,kill,power,power-all # 13
members:payload_not_refilled   300 # 27
raft:ack_before_persisted      400 # 104
raft:vote_twice                 400 --faults kill,pause,one-way,partition,bridge # 108
snapshot:range_not_cleared     200 # 10
store:acknowledge_before_durable 20 # 1
store:answer_before_apply       50 # 6
store:answer_unconfirmed       400 # 18
store:apply_state_ahead        200 # 27
store:deferred_not_rewritten   400 # 94
store:hard_state_not_written    50 # 5
store:lease_unchecked          800 --faults pause,one-way --works registers # 159
store:overlay_retired_early    200 # 25
store:payload_unsynced         200 # 22
store:release_before_flush     100 # 22
store:release_before_sync      400 # 144
store:retry_without_slot        50 # 10
store:reuse_before_flush       100 # 38
store:snapshot_kept             20 # 1
fs:relay_without_session         20 --faults leader-cut # 13
fs:lost_session_unnoticed         20 --works counters,sets --faults mount-pause,mount-cut # 5
sessions:not_fenced             100 --works counters --faults mount-pause,mount-cut # 5
grace:others_not_asked           20 --works openers # 2
grace:cut_short                 150 --works openers # 54
grace:open_files_unsaid         200 --works openers # 54
intents:flag_stays               50 --works links --faults transfer,delay,leader-cut # 1
intents:guard_unchecked         100 --works links --faults transfer,delay,leader-cut # 12
intents:resolve_twice            20 --works links --faults transfer,delay,leader-cut # 1
intents:writers_do_not_wait      50 --works links --faults transfer,delay,leader-cut # 12
reads:committed_unseen          150 --works nests --faults transfer,delay,leader-cut # 17
reads:entries_not_added          50 --works nests --faults transfer,delay,leader-cut # 1
transact:facts_not_checked      400 --works transfers --faults transfer,delay,leader-cut # 3
transact:tree_not_taken         400 --works nests --faults transfer,delay,leader-cut # 2
transact:unprepared_commits      20 --works nests --faults transfer,delay,leader-cut # 1
fs:split_leaves_intents         300 --works links --faults transfer,delay # 39
intents:others_unknown           40 --works orphans,openers --faults transfer,delay,reset,mount-pause,mount-cut # 2
intents:released_before_held    100 --works orphans,openers --faults transfer,delay,reset,mount-pause,mount-cut # 5
sessions:range_missed            40 --works links,orphans,counters --faults mount-kill,mount-pause,mount-cut # 1
split:epoch_unchecked            20 # 1
split:log_not_begun              20 # 1
split:log_unmarked              100 --works registers,appends --faults power,power-all,kill,transfer # 10
split:slots_left                100 # 26
transact:foreign_attributes_told 60 --works links --faults transfer,delay,leader-cut # 12
transactions:records_left       120 --works links,nests --faults kill,pause,transfer,one-way,delay # 44
coordinator:id_not_drawn         20 # 1
intents:age_ignored             300 --works links --faults none # 78
intents:last_link_not_waited    300 --works links --faults none # 47
intents:resolve_waits            50 --works links --faults none # 12
split:leader_waits               40 --works registers,sets --faults none # 1
transactions:done_is_committed  200 --works links --faults transfer,delay,leader-cut # 3
transactions:last_come_first     40 --works nests --faults none # 2
transactions:oldest_untold      500 --works links,nests --faults slow-disk # 56
transactions:strays_left        200 --works links,nests --faults kill,pause,transfer,one-way,delay # 44
BUGS
