#include "fs/schema/cluster_settings.h"

#include <string.h>

#include "fs/schema/keys.h"
#include "proto/status.h"
#include "store/rows/region.h"

#define ROW_VERSION 1

static const struct {
	const char *name;
	uint64_t min, max;
} known[SETTING_END] = {
	[SETTING_REPLICAS] = {"replicas", 0, REGION_PEERS_MAX},
	[SETTING_STORE_DEAD_AFTER_S] = {"store_dead_after_s", 10, 30 * 86400},
	[SETTING_STORE_MOVES] = {"store_moves", 1, 64},
};

const char *cluster_setting_name(enum cluster_setting setting)
{
	return known[setting].name;
}

uint64_t cluster_setting_min(enum cluster_setting setting)
{
	return known[setting].min;
}

uint64_t cluster_setting_max(enum cluster_setting setting)
{
	return known[setting].max;
}

enum cluster_setting cluster_setting_find(const char *name)
{
	for (unsigned i = 1; i < SETTING_END; i++)
		if (strcmp(known[i].name, name) == 0)
			return (enum cluster_setting)i;
	return 0;
}

bool cluster_setting_takes(enum cluster_setting setting, uint64_t value)
{
	return setting > 0 && setting < SETTING_END && value >= known[setting].min &&
	       value <= known[setting].max;
}

void cluster_setting_encode(uint64_t value, struct writer *writer)
{
	writer_u8(writer, ROW_VERSION);
	writer_varint(writer, value);
}

int cluster_setting_decode(struct slice key, struct slice row, enum cluster_setting *setting, uint64_t *value)
{
	struct reader reader = reader_of(row);
	uint8_t number;
	uint8_t version = reader_u8(&reader);

	*value = reader_varint(&reader);
	if (fs_key_parse_setting(key, &number) < 0 || number == 0 || version != ROW_VERSION ||
		reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	*setting = (enum cluster_setting)number;
	if (number >= SETTING_END)
		return STATUS_UNSUPPORTED;
	return cluster_setting_takes(*setting, *value) ? 0 : STATUS_CORRUPT;
}

uint64_t cluster_settings_get(
	const struct cluster_settings *settings, enum cluster_setting setting, uint64_t otherwise)
{
	return settings->is_set[setting] ? settings->values[setting] : otherwise;
}
