#include "fs/stats/stats_text.h"

#include <inttypes.h>

#include "fs/client/remote.h"
#include "fs/config.h"
#include "proto/version.h"

static void print_stat(void *argument, const struct stat_value *stat)
{
	fprintf(argument, "%s %" PRIu64 "\n", stat->name, stat->value);
}

static void print_durations(FILE *file, const char *kind, const char *name, const struct histogram_sums *sums)
{
	fprintf(file, "%s %s %" PRIu64, kind, name, sums->total_ns);
	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
		fprintf(file, " %" PRIu64, sums->counts[i]);
	fputc('\n', file);
}

static void print_stage(void *argument, const struct stat_stage *stage)
{
	print_durations(argument, "stage", stage->name, &stage->sums);
}

static void print_operation(void *argument, const char *name, const struct histogram_sums *sums)
{
	print_durations(argument, "operation", name, sums);
}

static void print_key(FILE *file, const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	fputc(' ', file);
	if (bytes.size == 0)
		fputc('-', file);
	for (size_t i = 0; i < bytes.size; i++)
		fprintf(file, "%02x", ((const uint8_t *)bytes.data)[i]);
}

static void print_region(void *argument, const struct region *region, uint64_t term)
{
	FILE *file = argument;

	fprintf(file, "region %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, region->id,
		region->epoch.version, region->epoch.conf_version, term);
	print_key(file, region->start);
	print_key(file, region->end);
	fputc('\n', file);
}

static void print_setting(void *argument, const struct config_value *value)
{
	fprintf(argument, "setting %s.%s\t%s\t%s\n", value->section, value->name, value->value,
		value->origin ? value->origin : "");
}

/* What it was mounted with, and the stores that may be asked now. */
static void print_cluster(FILE *file, const struct stats_source *source)
{
	char stores[STATS_TEXT_STORES_SIZE];

	fprintf(file, "cluster %s\n", source->source);
	if (!source->remote)
		return;
	remote_read_stores(source->remote, stores, sizeof stores);
	fprintf(file, "known_stores %s\n", stores);
}

void stats_text_print(const struct stats_source *source, FILE *file)
{
	fprintf(file, "version " RAFTKV_VERSION "\nstore %s\nmount %s\n", source->path, source->mount_point);
	if (source->source)
		print_cluster(file, source);
	stats_each(source, print_stat, file);
	if (source->raftkv)
		raftkv_each_region_from(
			source->raftkv, (struct slice){0}, STATS_TEXT_REGIONS_MAX, print_region, file);
	config_each(source->config, print_setting, file);
	stats_each_stage(source, print_stage, file);
	stats_each_operation(source, print_operation, file);
}
