#include "fs/admin/region_draft.h"

#include <errno.h>
#include <stdlib.h>

struct draft_member {
	Raftkv__OverviewMember message;
	Raftkv__Replica replica;
};

void region_draft_init(struct region_draft *draft, uint64_t region)
{
	*draft = (struct region_draft){0};
	raftkv__overview_region__init(&draft->message);
	raftkv__epoch__init(&draft->epoch);
	draft->message.region = region;
	draft->message.epoch = &draft->epoch;
}

void region_draft_close(struct region_draft *draft)
{
	region_close(&draft->range);
	free(draft->members);
	free(draft->pointers);
}

static ProtobufCBinaryData bound(const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

void region_draft_take_range(struct region_draft *draft, struct region *region)
{
	region_close(&draft->range);
	draft->range = *region;
	*region = (struct region){0};
	draft->message.start = bound(draft->range.start);
	draft->message.end = bound(draft->range.end);
	draft->epoch.version = draft->range.epoch.version;
	draft->epoch.conf_version = draft->range.epoch.conf_version;
}

static void fill_member(struct draft_member *draft, const struct region_member *member)
{
	raftkv__overview_member__init(&draft->message);
	raftkv__replica__init(&draft->replica);
	draft->replica.id = member->peer.id;
	draft->replica.store = member->peer.store;
	draft->replica.roles = member->peer.roles;
	draft->message.replica = &draft->replica;
	draft->message.match = member->match;
	draft->message.is_active = member->is_active;
	draft->message.is_in_snapshot = member->is_in_snapshot;
	draft->message.wants_snapshot = member->wants_snapshot;
}

int region_draft_set_members(struct region_draft *draft, struct region_epoch epoch,
	const struct region_member *members, uint32_t count)
{
	draft->members = calloc(count + 1, sizeof *draft->members);
	draft->pointers = calloc(count + 1, sizeof(*draft->pointers));
	if (!draft->members || !draft->pointers)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		fill_member(&draft->members[i], &members[i]);
		draft->pointers[i] = &draft->members[i].message;
	}
	draft->epoch.version = epoch.version;
	draft->epoch.conf_version = epoch.conf_version;
	draft->message.members = draft->pointers;
	draft->message.n_members = count;
	return 0;
}
