/*
 * A membership change from foreign bytes: the first byte chooses the entry's type, the rest is its data. What can be
 * decoded is applied to a configuration, which must keep its invariants, and encodes to something that decodes alike.
 */
#include <stdlib.h>

#include "proto/check.h"
#include "raft/confchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const struct raft_conf_change *change)
{
	struct raft_conf_state from = {0}, to = {0};

	for (uint64_t id = 1; id <= 3; id++)
		check(raft_ids_insert(&from.voters, id) == 0);
	if (confchange_apply(&from, change, &to, NULL) == 0)
		check(confchange_check(&to, NULL) == 0);
	raft_conf_state_close(&from);
	raft_conf_state_close(&to);
}

static void encode_again(const struct raft_conf_change *change, enum raft_entry_type type)
{
	struct raft_entry entry = {.type = type};
	struct raft_conf_change again;

	check(raft_conf_change_encode(change, type == RAFT_ENTRY_CONF_CHANGE, &entry.data) == 0);
	check(raft_conf_change_decode(&entry, &again) == 0);
	check(again.transition == change->transition && again.step_count == change->step_count);
	for (uint32_t i = 0; i < change->step_count; i++) {
		check(again.steps[i].type == change->steps[i].type);
		check(again.steps[i].node == change->steps[i].node);
	}
	check(slice_compare(again.context, change->context) == 0);
	buf_unref(entry.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct raft_entry entry = {0};
	struct raft_conf_change change;

	if (size == 0)
		return 0;
	entry.type = data[0] % 2 ? RAFT_ENTRY_CONF_CHANGE : RAFT_ENTRY_CONF_CHANGE_V2;
	entry.data = buf_copy(data + 1, size - 1);
	if (entry.data && raft_conf_change_decode(&entry, &change) == 0) {
		apply(&change);
		encode_again(&change, entry.type);
	}
	buf_unref(entry.data);
	return 0;
}
